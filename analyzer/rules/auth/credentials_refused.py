"""The server refuses the credentials of a logon.

Detects
    A logon that went its whole way (the last message of an NTLM or CredSSP handshake, or Basic or Digest credentials) and was answered by a bare 401, with no
    reason that the packets name: no Kerberos error, no missing scheme, no split handshake.
Impact
    The user cannot work. The usual reasons are a wrong password, an unknown or locked account, or an account without the right to use WinRM.
False positives
    A locked or expired account looks the same as a wrong password. Where a proxy or gateway answers and its other side is not in the capture, a handshake that
    was spread over several connections looks the same, too: both are named then, with low confidence.
Requires
    A direct connection, or both sides of the proxy. With the password or NT hash (--secrets) it also says whether the client's answer (NTLM, Basic) was
    made with it: when it was, the server refused for another reason; when not, the client used another password.
References
    RFC 9110 section 15.5.2; MS-NLMP 3.2.5.1.2.
"""

from analyzer.records.proxy import Role
from analyzer.records.story import Logon, Reason
from analyzer.rules.asking import failed, product_at, server_words, sign, times
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import CONNECTION_BASED, counted, listed
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

CHECK = (
    "Check the user name, domain and password. Then check that the account is not locked or expired and may use WinRM (group Remote Management Users). "
    "The server's security log has the reason (event 4625)."
)
FITS = (
    "The password is right, so look at the account: disabled, locked, expired, must change its password, no right to log on over the network or to use WinRM "
    "(group Remote Management Users). The server's security log has the reason (event 4625)."
)
OTHER = (
    "The client used another password than the one given. Check what is stored at the client (credential manager, inventory, vault) and when the password was "
    "changed."
)
GATEWAY = Advice(
    "Let the gateway keep one server connection for each client connection, with HTTP/1.1 and keep-alive",
    Topic.BIND,
    "Record on the server side of the gateway to know.",
    past=True,
)
_REASONS = (Reason.CREDENTIALS, Reason.NOT_CREDENTIALS, Reason.CREDENTIALS_OR_SPLIT)


def see(evidence: Evidence) -> Signs[Logon]:
    return map(sign, failed(evidence, *_REASONS))


def _blind(tell: Tell[Logon]) -> bool:
    return tell.first.fact.reason is Reason.CREDENTIALS_OR_SPLIT


def _right(tell: Tell[Logon]) -> bool:
    return any(logon.verifies for logon in tell.facts)


def title(tell: Tell[Logon]) -> str:
    who = listed(tell.users, 1) or "a client"
    if _blind(tell):
        return f"Logon of {who} fails behind a gateway" if _right(tell) else f"Logon of {who} refused: credentials or gateway"
    return f"Logon of {who} refused although the password fits" if _right(tell) else f"Server refuses the credentials of {who}"


def why(tell: Tell[Logon]) -> str:
    first = tell.first.fact
    mechanisms = listed(logon.mechanism.shown for logon in tell.facts)
    whole = "All messages of the logon went over one connection" if not _blind(tell) else "The client saw all of its messages on one connection"
    text = (
        f"{server_words(tell.connection)} refused {counted(tell.count, 'logon')} of {tell.connection.client.host}"
        f"{f' as {listed(tell.users)}' if tell.users else ''} ({mechanisms}) with 401. {whole}; the first answer is {tell.packet(first.packets[-1])}."
    )
    return text + _password(tell) + (_gateway(tell) if _blind(tell) else _unseen(tell))


def _unseen(tell: Tell[Logon]) -> str:
    """On a single connection nothing shows whether something stands behind it."""
    alone = all(not logon.server_connections and logon.mechanism in CONNECTION_BASED for logon in tell.facts)
    right = tell.evidence.roles.get(tell.connection.id) is Role.DIRECT and alone and not any(logon.verifies is False for logon in tell.facts)
    return " If a proxy stands between that splits logons, it looks the same from here; a capture at the server tells." if right else ""


def _password(tell: Tell[Logon]) -> str:
    fitting, other = (sum(logon.verifies is verdict for logon in tell.facts) for verdict in (True, False))
    text = f" The password or key that was given fits {times(fitting)}: the password is right, so the server refused for another reason." if fitting else ""
    return text + (f" The password or key that was given does not fit {times(other)}: the client used another password." if other else "")


def _gateway(tell: Tell[Logon]) -> str:
    product = product_at(tell.evidence, tell.first.exchanges[-1])
    named = f" ({product})" if product else ""
    likely = "That is the likeliest cause." if _right(tell) else "Either the credentials are wrong, or the gateway does this."
    return (
        f" A proxy or gateway{named} answers, and its server side is not in the capture. A gateway that does not keep the same connection to the server "
        f"breaks NTLM with the right password, too. {likely}"
    )


def advice(tell: Tell[Logon]) -> str | Advice:
    if _blind(tell):
        return GATEWAY
    verdicts = {logon.verifies for logon in tell.facts}
    return FITS if True in verdicts and False not in verdicts else OTHER if False in verdicts and True not in verdicts else CHECK


def confidence(tell: Tell[Logon]) -> float:
    return 0.9 if not _blind(tell) else 0.7 if _right(tell) else 0.5


def owner(tell: Tell[Logon]) -> Owner:
    return Owner.PROXY if _blind(tell) else Owner.SERVER if _right(tell) else Owner.CLIENT


OPINION = Opinion(
    title=title,
    name="Server refuses the credentials",
    severity=Severity.MEDIUM,
    confidence=confidence,
    owner=owner,
    reference="RFC 9110 section 15.5.2",
    advice=advice,
    see=see,
    why=why,
    explains=("auth.loop",),
)
