"""The server does not go on with NTLM.

Detects
    The first NTLM message (negotiate) of a logon is answered by a bare 401 that offers schemes, instead of a challenge.
Impact
    NTLM is restricted on the server or in the domain (security policy "Restrict NTLM", event 8001 to 8004), or the server is set to Kerberos only. The password
    was not looked at.
False positives
    A proxy that removes the challenge gives the same picture with the client's side alone; the certainty is lower then.
Requires
    Request and response of one exchange.
References
    MS-NLMP 3.2.5.1.1; RFC 4559 section 4.
"""

from analyzer.records.story import Certainty, Logon, Reason
from analyzer.rules.asking import failed, server_words, sign, times
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell


def see(evidence: Evidence) -> Signs[Logon]:
    return map(sign, failed(evidence, Reason.NTLM_BLOCKED))


def why(tell: Tell[Logon]) -> str:
    first = tell.first.packets
    text = (
        f"{tell.connection.client.host} began NTLM with {server_words(tell.connection)} {times(tell.count)}. The server sent no challenge "
        f"({tell.packet(first[-1])}), only its offers again. NTLM is restricted there, or the account must use Kerberos. No password was looked at."
    )
    sure = all(logon.certainty is Certainty.PROVED for logon in tell.facts)
    return text if sure else f"{text} A proxy stands between; with its server side captured it would be certain that the server did this."


OPINION = Opinion(
    title="Server does not continue NTLM logons",
    severity=Severity.MEDIUM,
    confidence=lambda tell: 0.9 if all(logon.certainty is Certainty.PROVED for logon in tell.facts) else 0.6,
    owner=Owner.SERVER,
    reference="MS-NLMP section 3.2.5.1.1",
    advice=(
        "Use Kerberos: the client must reach the domain controller and address the server by a name that has an SPN. Or allow NTLM for this server: security "
        "policies 'Network security: Restrict NTLM' on the server and in the domain, event log Microsoft-Windows-NTLM/Operational."
    ),
    see=see,
    why=why,
    explains=("auth.loop",),
)
