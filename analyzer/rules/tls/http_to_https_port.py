"""HTTP is spoken to a port that speaks HTTPS.

Detects
    A WinRM request in clear that the server answers with a TLS alert, or with a page that says that the port is for
    HTTPS; or one to port 5986 after which the server ends the connection without a byte.
Impact
    The request is not looked at, and whatever credentials it held traveled in clear.
False positives
    Never where the server answers in TLS or says it. An end without a byte may have had other reasons.
Requires
    Both directions of the connection.
References
    MS-WSMV section 2.1; RFC 8446 section 6.
"""

from analyzer.records.candidates import connections, with_status
from analyzer.records.http import Exchange
from analyzer.records.tls import Alert
from analyzer.records.transport import Connection, Side
from analyzer.rules.reading import first_packet, header, name, request, response
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell
from analyzer.rules.tls._handshakes import port, where
from analyzer.rules.tls._words import ended, headline

_HTTPS_PORT = 5986
_PAGES = (b"plain http request was sent to http", b"http request to an https server")
"""What nginx and Go's server say, as far as the first bytes of a body go."""
_BAD_REQUEST = (400, 497)
_SURE, _INFERRED = 1.0, 0.7


class Misplaced(Fact, frozen=True):
    """The request, and what shows that the port speaks TLS: an alert, a page, or an end without a byte."""

    connection: Connection
    exchange: Exchange
    alert: Alert | None
    page: bool


def see(evidence: Evidence) -> Signs[Misplaced]:
    """The first request of each such connection."""
    refused = {one.connection for one in with_status(evidence, *_BAD_REQUEST)}
    for connection in connections(evidence):
        if connection.tls is None and connection.to_client.size and connection.id not in refused:  # as nearly all
            continue
        exchanges = evidence.exchanges_of.get(connection.id, ())
        if connection.protocol != "http" or not exchanges or request(exchanges[0]) is None:
            continue
        first = exchanges[0]
        alert = connection.tls.alerts[0] if connection.tls is not None and connection.tls.alerts else None
        page = _says_so(first)
        if alert is not None or page or _cut_off(evidence, connection):
            packets = [
                *first_packet(request(first)),
                *first_packet(response(first)),
                *([] if alert is None else [alert.packet]),
            ]
            closing = [connection.closings[0].packet] if connection.closings else []
            sure = _INFERRED if alert is None and not page else _SURE
            yield Sign(Misplaced(connection, first, alert, page), (first.id,), (*packets, *closing), confidence=sure)


def _says_so(exchange: Exchange) -> bool:
    answer = response(exchange)
    if answer is None or answer.status not in _BAD_REQUEST:
        return False
    return any(page in answer.body.starts.lower() for page in _PAGES)


def _cut_off(evidence: Evidence, connection: Connection) -> bool:
    silent = connection.to_client.size == 0 and connection.ended_by is Side.SERVER and not connection.to_server.gaps
    return silent and port(evidence, connection) == _HTTPS_PORT


def title(tell: Tell[Misplaced]) -> str:
    return headline("HTTP sent to ", where(tell.evidence, tell.first.fact.connection), ", an HTTPS port")


def why(tell: Tell[Misplaced]) -> str:
    found = tell.first.fact
    connection, asked = found.connection, request(found.exchange)
    packet = tell.packet(first_packet(asked)[0]) if first_packet(asked) else "no packet"
    if found.alert is not None:
        told = f"{found.alert.name or 'encrypted'} ({tell.packet(found.alert.packet)})"
        end = f"The server answered with a TLS alert, {told}: it speaks TLS on this port."
    elif found.page:
        page = tell.packet(first_packet(response(found.exchange))[0])
        end = f"The server's page says that the port is for HTTPS ({page})."
    else:
        closing = tell.packet(connection.closings[0].packet)
        end = f"The server {ended(connection)} without a byte ({closing}). Port {_HTTPS_PORT} is that for HTTPS."
    exposed = " Its Basic credentials traveled in clear." if (header(asked, "authorization") or "").lower().startswith("basic ") else ""
    often = f" This happened on {tell.count} connections." if tell.count > 1 else ""
    sent = f"The client sent an HTTP request in clear to port {port(tell.evidence, connection)} ({packet})."
    return f"{sent}{exposed} {end}{often} [{name(connection)}]"


OPINION = Opinion(
    title=title,
    name="HTTP is sent to an HTTPS port",
    severity=Severity.MEDIUM,
    confidence=_SURE,
    owner=Owner.CLIENT,
    reference="MS-WSMV section 2.1",
    advice=(
        "Let scheme and port agree at the client: https for port 5986, or port 5985 for http. "
        "Windows: add -UseSSL. "
        "pywinrm: an endpoint that begins with https, or transport ssl. "
        "Ansible: ansible_winrm_scheme https, or ansible_psrp_protocol https. "
        "Proxy: one that ends TLS must begin it again to port 5986."
    ),
    see=see,
    explains=("tcp.request-cut", "tcp.never-answered", "http.non-wsman-reply", "http.refused-request"),
    why=why,
)
