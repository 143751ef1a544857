"""The client uses an authentication scheme that the server does not accept.

Detects
    A logon with Basic or Digest that was answered by a 401 whose challenges do not name this scheme.
Impact
    The server did not look at the user name or the password. No change of the account helps: client and server have no scheme in common.
False positives
    A proxy that removes challenges on the way gives the same picture with the client's side alone; with both sides that is told by itself.
Requires
    Request and response of one exchange.
References
    RFC 9110 section 11.6.1; WinRM's setting Service/Auth/Basic.
"""

from analyzer.records.story import Logon, Reason
from analyzer.rules.asking import failed, server_words, sign, times
from analyzer.rules.reading import listed
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell


def see(evidence: Evidence) -> Signs[Logon]:
    return map(sign, failed(evidence, Reason.NOT_OFFERED))


def offers(tell: Tell[Logon]) -> str:
    """The schemes that the last answer offers."""
    own = [spoken for spoken in tell.evidence.conversations if spoken.id in tell.first.fact.conversations]
    return " and ".join(dict.fromkeys(offer for spoken in own[-1:] for offer in spoken.offers)) or "other schemes"


def title(tell: Tell[Logon]) -> str:
    return f"{tell.first.fact.mechanism.shown} is not offered by {server_words(tell.connection)}"


def why(tell: Tell[Logon]) -> str:
    scheme = tell.first.fact.mechanism.shown
    return (
        f"{tell.connection.client.host} logged on {times(tell.count)} with {scheme}{f' as {listed(tell.users)}' if tell.users else ''}. "
        f"The server's 401 ({tell.packet(tell.first.packets[-1])}) offers only {offers(tell)}. So {scheme} is not accepted there, and the password was not "
        "looked at."
    )


OPINION = Opinion(
    title=title,
    name="Authentication scheme is not offered by the server",
    severity=Severity.MEDIUM,
    confidence=0.95,
    owner=Owner.CLIENT,
    reference="RFC 9110 section 11.6.1",
    advice=(
        "Use a scheme that the server offers (Negotiate or Kerberos; pywinrm: transport='ntlm' or 'kerberos'; Ansible: ansible_winrm_transport). Basic must be "
        "allowed on the server to work (winrm set winrm/config/service/auth '@{Basic=\"true\"}'), and then only over HTTPS."
    ),
    see=see,
    why=why,
    explains=("auth.loop",),
)
