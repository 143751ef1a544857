"""What a flow is, told from its first payloads. WinRM is found by content on any port; only TLS, whose content cannot be seen, needs a port.

A flow is kept when it shows WS-Management (target, content type, user agent), when it authenticates over HTTP (a proxy's 407 may travel on a connection of
its own), or when it is a CONNECT. Plain web traffic is rejected; a rejected flow that later shows one of these is named ``late`` and the file is read again.
"""

import re

from analyzer.records.capture import Verdict

_REQUEST = re.compile(rb"(?:OPTIONS|GET|HEAD|POST|PUT|DELETE|TRACE|CONNECT|PATCH) [^\r\n]*")
_METHOD_STARTS = (b"OPTIONS ", b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"TRACE ", b"CONNECT ", b"PATCH ")
_TARGETS = (b"/wsman", b"/powershell")
_FIELDS = (
    b"\nauthorization:",
    b"\nproxy-authorization:",
    b"\nwww-authenticate:",
    b"\nproxy-authenticate:",
    b"\nwsmanidentify:",
    b"application/soap+xml",
    b"multipart/encrypted",
    b"multipart/x-multi-encrypted",
    b"microsoft winrm client",
)
_STATUS = re.compile(rb"HTTP/1\.[01] (?:401|407)\b")
_TLS_HANDSHAKE = 22
_HELLOS = (1, 2)
_KDC_PORT = 88
KDC_TAGS = (0x6A, 0x6B, 0x6C, 0x6D, 0x7E)
"""AS-REQ, AS-REP, TGS-REQ, TGS-REP, KRB-ERROR (RFC 4120 section 5.10)."""
_LATE_STARTS = (b"POST", b"HTTP", b"CONN", b"OPTI", b"GET ")


def looks_http(payload: bytes) -> bool:
    """True when ``payload`` begins with an HTTP/1 start line."""
    return payload.startswith(b"HTTP/1.") or (payload[:1].isupper() and _REQUEST.match(payload) is not None)


def may_become_http(payload: bytes) -> bool:
    """True when more bytes could still make ``payload`` an HTTP/1 start line."""
    return any(start.startswith(payload[: len(start)]) for start in (*_METHOD_STARTS, b"HTTP/1."))


def judge(payload: bytes, ports: tuple[int, int], tls_ports: tuple[int, ...], *, all_http: bool) -> Verdict:
    """The verdict on bytes that begin a segment (or a direction). `Verdict.UNDECIDED` when they tell nothing."""
    if _KDC_PORT in ports and len(payload) > 4 and payload[4] in KDC_TAGS:  # RFC 4120 section 7.2.2: a length of four bytes, then the message
        return Verdict.KDC
    if looks_http(payload):
        if all_http or _interesting(payload):
            return Verdict.HTTP
        return Verdict.UNDECIDED
    if len(payload) > 5 and payload[0] == _TLS_HANDSHAKE and payload[1] == 3 and payload[5] in _HELLOS:
        return Verdict.TLS if ports[0] in tls_ports or ports[1] in tls_ports else Verdict.REJECTED
    return Verdict.UNDECIDED


def late_start(payload: bytes) -> bool:
    """The cheap test for a rejected flow: could this segment be one of interest?"""
    return payload[:4] in _LATE_STARTS


def _interesting(payload: bytes) -> bool:
    if payload.startswith(b"CONNECT ") or _STATUS.match(payload):
        return True
    low = payload.lower()
    line = low.partition(b"\n")[0]
    if any(target in line for target in _TARGETS):
        return True
    head = low.partition(b"\r\n\r\n")[0]
    return any(field in head for field in _FIELDS)
