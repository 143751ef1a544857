"""What an authentication header carries, by the name that people use for it."""

from collections.abc import Mapping, Sequence

from analyzer.records.auth import Audience, Conversation, Mechanism, Step, Token
from analyzer.records.quality import Absent

_NTLM_MESSAGES = {1: "NTLM negotiate", 2: "NTLM challenge", 3: "NTLM authenticate"}
_SHOWN_OFFERS = 4


def token_names(conversations: Sequence[Conversation]) -> Mapping[str, tuple[str, ...]]:
    """By message id (``c1.x2.q``), what its authentication headers carry; a proxy's are marked."""
    found: dict[str, tuple[str, ...]] = {}
    for conversation in conversations:
        for step in conversation.steps:
            name = _step(step)
            if name is None:
                continue
            told = f"to proxy: {name}" if conversation.audience is Audience.PROXY and step.from_client else name
            found[step.message] = tuple(dict.fromkeys((*found.get(step.message, ()), told)))
    return found


def _step(step: Step) -> str | None:
    if step.token is not None:
        return _token(step.token)
    if step.offers:
        more = ", ..." if len(step.offers) > _SHOWN_OFFERS else ""
        return f"offers {', '.join(step.offers[:_SHOWN_OFFERS])}{more}"
    return None


def _token(token: Token) -> str:
    if isinstance(token.ntlm, Absent) or isinstance(token.kerberos, Absent):
        return f"{token.scheme} token (cannot be read)"
    if token.ntlm is not None:
        return _NTLM_MESSAGES.get(token.ntlm.message, "NTLM message") + (f" as {token.ntlm.user}" if token.ntlm.user else "")
    if token.kerberos is not None:
        return f"Kerberos {token.kerberos.message}"
    if token.tls is not None:
        return f"CredSSP {', '.join(token.tls.handshakes or token.tls.contents)}".strip()
    if token.mechanism in {Mechanism.BASIC, Mechanism.DIGEST}:
        return f"{token.scheme}{f' as {token.user}' if token.user else ''}"
    return f"{token.scheme} {token.step}"
