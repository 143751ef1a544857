"""The security contexts of a connection: which exchanges each protects, and its keys when a secret proves to be the right one.

A context begins with the exchange that ends a handshake (its request may carry the last token and a sealed body at once: the token is looked at first) and
ends where the next handshake on the connection begins. The mechanism is the handshake's, whatever the ``protocol`` of the sealed body says.
"""

import base64
import binascii
import hmac
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from analyzer.auth.schemes import ntlm, spnego
from analyzer.auth.schemes.ntlm_keys import from_exported, from_hash
from analyzer.auth.schemes.scapy_adapter import Key
from analyzer.formats.holes import Holed
from analyzer.records.auth import Audience, Conversation, Mechanism, Step
from analyzer.records.http import Exchange
from analyzer.records.quality import Absent
from analyzer.records.secrets import Proof, Secrets
from analyzer.sealing.kerberos import KerberosContext, KerberosKeys
from analyzer.sealing.ntlm import NtlmContext, Opened
from analyzer.sealing.tickets import Tickets, exchange_keys

_CLIENT_HEADERS = ("authorization",)
_SERVER_HEADERS = ("www-authenticate",)
_PROXY_HEADERS = {True: ("proxy-authorization",), False: ("proxy-authenticate",)}


_CHALLENGE = slice(24, 32)
"""Where ServerChallenge stands in message 2 (MS-NLMP 2.2.1.2)."""


class Sealer(Protocol):
    """What every mechanism's context can do: open a part, go back to a mark, and let messages pass that cannot be read."""

    def open(self, header: bytes, data: bytes, *, from_client: bool) -> Opened | None:
        """The plaintext of one part; None when it was not sealed by this context."""

    def guess(self, header: bytes, found: Holed, *, from_client: bool) -> Holed | None:
        """What can be read of a part that lacks bytes, which no signature proves; None when nothing shows that it was sealed by this context."""

    def fresh(self) -> "Sealer":
        """The same context where it began; itself where it has no position."""

    def mark(self, *, from_client: bool) -> tuple[int, int]:
        """Where a direction is."""

    def reset(self, mark: tuple[int, int], *, from_client: bool) -> None:
        """Back to a mark."""

    def passed(self, sizes: list[int], *, from_client: bool) -> None:
        """Messages of these lengths went by."""


class Context(Struct):
    """``first``..``last`` are positions of exchanges; ``sealer`` opens bodies, or is None with the reason in ``why_not``; ``tag`` names the secret used."""

    conversation: Conversation
    first: int
    last: int
    sealer: Sealer | None
    why_not: str = ""
    tag: str | None = None
    unproved: tuple[tuple[str, Sealer], ...] = ()
    """Contexts of exported session keys and sub-session keys: which one it is shows when it opens something."""
    client: str | None = None
    """The client's name, where the ticket told it."""
    marks: dict[tuple[bool, int], tuple[int, int]] = field(default_factory=dict)
    """Where it was before it opened a message, by direction and the number that the message carries in clear."""

    spare: Sealer | None = None
    """A second one of the same keys, for bodies that other connections carry: going back and forth in one keystream would cost its whole length each time."""

    def second(self) -> Sealer | None:
        """`spare`, made when it is first asked for."""
        if self.spare is None and self.sealer is not None:
            self.spare = self.sealer.fresh()
        return self.spare

    def before(self, number: int | None, *, from_client: bool) -> tuple[int, int] | None:
        """Where it was before that message, or before the first one after it; None when it has opened none of these."""
        if number is None:
            return None
        own = self.marks.get((from_client, number))
        if own is not None or not self.marks:
            return own
        later = [known for way, known in self.marks if way is from_client and known >= number]
        return self.marks[from_client, min(later)] if later else None


def contexts(exchanges: Sequence[Exchange], conversations: Sequence[Conversation], secrets: Secrets, tickets: Tickets) -> list[Context]:
    """The contexts of one connection in order. Handshakes that were not accepted have one too: a body may ride with the last token, and be refused."""
    by_id = {exchange.id: exchange for exchange in exchanges}
    found: list[Context] = []
    for conversation in conversations:
        if conversation.audience is not Audience.SERVER or not conversation.mechanism.lasting:
            continue
        begin = by_id[conversation.exchanges[0]].position
        if found:
            found[-1].last = min(found[-1].last, begin - 1)
        first = by_id[conversation.ends or conversation.exchanges[-1]].position
        found.append(_context(conversation, by_id, first, secrets, tickets))
    return found


def _context(conversation: Conversation, by_id: dict[str, Exchange], first: int, secrets: Secrets, tickets: Tickets) -> Context:
    made = Context(conversation, first, 1 << 62, None)
    if conversation.mechanism is Mechanism.NTLM:
        _ntlm(made, by_id, secrets)
    elif conversation.mechanism is Mechanism.KERBEROS:
        _kerberos(made, by_id, secrets, tickets)
    else:
        made.why_not = "no TLS key log for this connection's CredSSP"
    return made


def _kerberos(made: Context, by_id: dict[str, Exchange], secrets: Secrets, tickets: Tickets) -> None:
    name = made.conversation.spn or "the service"
    sent = [raw for step in made.conversation.steps if step.from_client and (raw := _raw(step, by_id)) is not None]
    answered = [raw for step in made.conversation.steps if not step.from_client and (raw := _raw(step, by_id)) is not None]
    agreed = None if not sent or (secrets.empty and not tickets) else exchange_keys(sent[-1], answered[-1] if answered else None, secrets, tickets)
    if agreed is not None:
        made.sealer, made.tag, made.client = KerberosContext(agreed.keys), agreed.tag, agreed.client
        return
    made.unproved = tuple((key.tag, KerberosContext(KerberosKeys(Key(key.etype, key.value)))) for key in secrets.kerberos if key.principal is None)
    made.why_not = f"{'wrong key' if secrets.kerberos or secrets.keys_given else 'no key'} for {name} (Kerberos)"


def _ntlm(made: Context, by_id: dict[str, Exchange], secrets: Secrets) -> None:
    conversation = made.conversation
    third = ntlm_message(conversation, by_id, message=3)
    second = ntlm_message(conversation, by_id, message=2)
    if third is None:
        made.why_not = "the handshake's last message is not in the capture (NTLM)"
        return
    fields = ntlm.authenticate_fields(third).value
    if isinstance(fields, Absent):
        made.why_not = fields.detail
        return
    name = _account(conversation)
    client_mic, server_mic = _mics(conversation)
    challenge = second[_CHALLENGE] if second is not None and len(second) >= _CHALLENGE.stop else None
    proof = secrets.proved.get(conversation.id)
    if challenge is not None and proof is not None and proof.secret is not None:
        keys = from_hash(proof.secret.nt_hash, fields, challenge, proof.secret.lm_hash)
        if keys is not None:
            made.sealer, made.tag = NtlmContext(keys, client_mic=client_mic, server_mic=server_mic), proof.secret.tag
            return
    made.unproved = tuple(
        (key.tag, NtlmContext(from_exported(key.value, fields.flags or 0), client_mic=client_mic, server_mic=server_mic)) for key in secrets.session_keys
    )
    if challenge is None and secrets.ntlm:
        made.why_not = f"the challenge is not in the capture, so a password cannot be used (NTLM, {name})"
    else:
        made.why_not = f"{_tried(proof)} {name} (NTLM)"


def _tried(proof: Proof | None) -> str:
    """What was tried in vain: of the user's own, or of others."""
    if proof is None or not proof.tried:
        return "no key for"
    return "wrong password or key for" if proof.own else f"none of the {proof.tried:,} passwords and hashes given is that of"


def verifies(conversation: Conversation, by_id: Mapping[str, Exchange], secrets: Secrets) -> bool | None:
    """Whether the client's answer (NTLM, Basic) was made with a secret that was given; None when none was given for its identity or the answer was not
    captured."""
    if conversation.mechanism is Mechanism.BASIC:
        return _same_password(conversation, by_id, secrets)
    proof = secrets.proved.get(conversation.id)
    if proof is None or (proof.secret is None and not proof.own):
        return None
    return proof.secret is not None


def _same_password(conversation: Conversation, by_id: Mapping[str, Exchange], secrets: Secrets) -> bool | None:
    """RFC 7617: the password as sent against those given for that user name, with or without its domain."""
    user = (conversation.client.user or "").lower()
    short = user.rpartition("\\")[2].partition("@")[0]
    given = [one.value for one in secrets.passwords if one.user is not None and one.user.lower() in (user, short)]
    sent = next(_basic(conversation, by_id), None)
    return None if sent is None or not given else any(hmac.compare_digest(password, sent) for password in given)


def basic_password(conversation: Conversation, by_id: Mapping[str, Exchange]) -> bytes | None:
    """The password of a Basic logon as sent."""
    return next(_basic(conversation, by_id), None)


def _basic(conversation: Conversation, by_id: Mapping[str, Exchange]) -> Iterator[bytes]:
    for step in conversation.steps:
        half = by_id[step.exchange].request
        for header in () if isinstance(half, Absent) or not step.from_client else half.headers:
            scheme, _, word = header.value.strip().partition(" ")
            if header.name.lower() in _CLIENT_HEADERS and scheme.lower() == "basic":
                yield (_decoded(word.strip()) or b"").partition(b":")[2]


def _account(conversation: Conversation) -> str:
    return f"{conversation.client.domain}\\{conversation.client.user}" if conversation.client.domain else conversation.client.user or "an unnamed user"


def _mics(conversation: Conversation) -> tuple[bool, bool]:
    """Whether the client's and the server's SPNEGO tokens carry a mechListMIC."""
    carried = {True: False, False: False}
    for step in conversation.steps:
        if step.token is not None and step.token.spnego is not None and step.token.spnego.mic:
            carried[step.from_client] = True
    return carried[True], carried[False]


def ntlm_message(conversation: Conversation, by_id: Mapping[str, Exchange], *, message: int) -> bytes | None:
    """The NTLM message of that type as it travelled in the conversation, the last one when there are several."""
    found = None
    for raw in tokens(conversation, by_id):
        if ntlm.message_type(raw) == message:
            found = raw
    return found


def tokens(conversation: Conversation, by_id: Mapping[str, Exchange]) -> Iterator[bytes]:
    """The mechanism's tokens as they travelled, those of both sides in order, out of SPNEGO's wrapping."""
    for step in conversation.steps:
        raw = _raw(step, by_id, to_proxy=conversation.audience is Audience.PROXY)
        if raw is not None:
            yield raw


def _raw(step: Step, by_id: Mapping[str, Exchange], *, to_proxy: bool = False) -> bytes | None:
    exchange = by_id.get(step.exchange)
    if exchange is None or step.token is None:
        return None
    half = exchange.request if step.from_client else exchange.response
    if isinstance(half, Absent):
        return None
    names = _PROXY_HEADERS[step.from_client] if to_proxy else _CLIENT_HEADERS if step.from_client else _SERVER_HEADERS
    for header in half.headers:
        if header.name.lower() in names:
            for word in header.value.replace(",", " ").split():
                raw = _decoded(word)
                if raw is not None and (raw.startswith(b"NTLMSSP\0") or raw[:1] in (b"\x60", b"\x6e", b"\x6f") or spnego.is_spnego(raw)):
                    return _unwrapped(raw)
    return None


def tls_token(exchange: Exchange, *, from_client: bool) -> bytes:
    """The TLS records of the CredSSP token in an exchange's request or response; empty when there is none."""
    half = exchange.request if from_client else exchange.response
    if isinstance(half, Absent):
        return b""
    for header in half.headers:
        if header.name.lower() in (_CLIENT_HEADERS if from_client else _SERVER_HEADERS):
            scheme, _, word = header.value.strip().partition(" ")
            if scheme.lower() == "credssp":
                return _decoded(word.strip()) or b""
    return b""


def _decoded(word: str) -> bytes | None:
    if len(word) < 16:
        return None
    try:
        return base64.b64decode(word + "=" * (-len(word) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _unwrapped(raw: bytes) -> bytes | None:
    if not spnego.is_spnego(raw):
        return raw
    inner = spnego.message(raw).value
    return None if isinstance(inner, Absent) else inner.token
