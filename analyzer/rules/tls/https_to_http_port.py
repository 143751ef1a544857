"""HTTPS is spoken to a port that speaks HTTP.

Detects
    A ClientHello that the server answers in clear HTTP; or one to WinRM's HTTP port (5985, 47001) that is answered by a
    reset, a close or nothing.
Impact
    No TLS can come up on this port. Clients report a wrong version number, a malformed handshake or a closed
    connection.
False positives
    Never where the server answers in HTTP. A reset alone shows only that the port does not take TLS.
Requires
    The beginning of the connection.
References
    MS-WSMV section 2.1; RFC 8446 section 5.1.
"""

from analyzer.rules.reading import counted, name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell
from analyzer.rules.tls._handshakes import Fate, Shake, port, shakes, sign, where
from analyzer.rules.tls._words import ended, headline

_SURE, _INFERRED = 1.0, 0.8
_HTTPS_PORT = 5986


def see(evidence: Evidence) -> Signs[Shake]:
    for shake in shakes(evidence, Fate.WRONG_PORT):
        answer = shake.facts.clear_answer
        yield sign(shake, None if answer is None else answer.packet, confidence=_INFERRED if answer is None else _SURE)


def title(tell: Tell[Shake]) -> str:
    return headline("HTTPS sent to ", where(tell.evidence, tell.first.fact.connection), ", an HTTP port")


def why(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    connection, answer = shake.connection, shake.facts.clear_answer
    number = port(tell.evidence, connection)
    if answer is not None:
        by = f" of {answer.server}" if answer.server else ""
        end = f"The server answered in clear: {answer.status_line}{by} ({tell.packet(answer.packet)})."
    elif connection.closings:
        who = "client" if shake.by_client else "server"
        end = f"No TLS came back; the {who} {ended(connection)} ({tell.packet(connection.closings[0].packet)})."
    else:
        end = "No data of the server followed."
    registered = f" Port {number} is WinRM's port for HTTP; HTTPS has {_HTTPS_PORT}." if number != _HTTPS_PORT else ""
    return (
        f"The client sent a TLS ClientHello to port {number} ({tell.packet(shake.facts.hello_packets[0])}). "
        f"{end}{registered} "
        f"This happened on {counted(tell.count, 'connection')} of {connection.client.host}, and nothing was asked. "
        f"[{name(connection)}]"
    )


def advice(tell: Tell[Shake]) -> str:
    if port(tell.evidence, tell.first.fact.connection) == _HTTPS_PORT:
        return (
            "Give the server a listener that speaks HTTPS on port 5986. "
            "Server: winrm enumerate winrm/config/listener shows Transport and Port; a listener with Transport=HTTP "
            "may stand on 5986. "
            "Proxy: one that ends TLS must do so on this port."
        )
    return (
        "Let scheme and port agree at the client: port 5986 for https, or http for port 5985. "
        "Windows: -UseSSL changes the port to 5986 unless -Port or the connection URI names another. "
        "Ansible: ansible_port 5986 with ansible_winrm_scheme https, or 5985 with http. With http keep message encryption on. "
        "Server: port 5986 needs an HTTPS listener (winrm quickconfig -transport:https)."
    )


OPINION = Opinion(
    title=title,
    name="HTTPS is sent to an HTTP port",
    severity=Severity.MEDIUM,
    confidence=_SURE,
    owner=Owner.CLIENT,
    reference="MS-WSMV section 2.1",
    advice=advice,
    see=see,
    why=why,
)
