"""CredSSP over HTTP (MS-WSMV 2.2.9.1.3.1, MS-CSSP 3.1.5): the token is raw TLS records, and all that matters happens inside of them.

Only what travels in clear is read: record headers (RFC 8446 section 5.1) and the types of handshake messages until a ChangeCipherSpec. Handshake messages may
be split over records, so the payloads of neighbouring handshake records are joined before they are walked.
"""

from analyzer.auth.schemes.der import head
from analyzer.auth.schemes.reading import Reading, unreadable
from analyzer.records.auth import TlsRecords

_CONTENTS = {20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data"}
_VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
_HANDSHAKES = {
    0: "hello_request",
    1: "client_hello",
    2: "server_hello",
    4: "new_session_ticket",
    8: "encrypted_extensions",
    11: "certificate",
    12: "server_key_exchange",
    13: "certificate_request",
    14: "server_hello_done",
    15: "certificate_verify",
    16: "client_key_exchange",
    20: "finished",
    22: "certificate_status",
}
_HEADER_SIZE = 5
_ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    116: "certificate_required",
}
_ALERT_SIZE = 2
_SEQUENCE, _VERSION, _ERROR, _INTEGER = 0x30, 0xA0, 0xA4, 0x02
_MOST_FIELDS = 8


def looks_like_tls(raw: bytes) -> bool:
    """Whether the first bytes are those of a TLS record: a known content type and a major version of 3."""
    return len(raw) >= 2 and raw[0] in _CONTENTS and raw[1] == 3


def records(raw: bytes) -> Reading[TlsRecords]:
    """The TLS records of a token. A handshake message that cannot be read is named ``encrypted``. A cut last record is kept and complained of."""
    if not looks_like_tls(raw):
        return unreadable("a CredSSP token that does not begin with a TLS record")
    contents: list[str] = []
    handshakes: list[str] = []
    highest = 0
    clear: list[bytes] = []
    alerts: list[str] = []
    sealed = False
    at = 0
    while at + _HEADER_SIZE <= len(raw) and looks_like_tls(raw[at : at + 2]):
        size = int.from_bytes(raw[at + 3 : at + 5], "big")
        contents.append(_CONTENTS[raw[at]])
        highest = max(highest, int.from_bytes(raw[at + 1 : at + 3], "big"))
        # RFC 5246 7.1: what follows a ChangeCipherSpec is encrypted, handshake messages too.
        sealed = sealed or raw[at] == 20
        if raw[at] == 22 and sealed:
            handshakes.append("encrypted")
        elif raw[at] == 22:
            clear.append(raw[at + _HEADER_SIZE : at + _HEADER_SIZE + size])
        elif raw[at] == 21 and size == _ALERT_SIZE and at + _HEADER_SIZE + size <= len(raw):  # an encrypted one is longer
            alerts.append(_ALERTS.get(raw[at + _HEADER_SIZE + 1], f"alert {raw[at + _HEADER_SIZE + 1]}"))
        at += _HEADER_SIZE + size
    complaint = "" if at == len(raw) else f"TLS records end at byte {at} of a {len(raw)}-byte token"
    found = TlsRecords(tuple(contents), (*_handshakes(b"".join(clear)), *handshakes), _VERSIONS.get(highest), tuple(alerts))
    return Reading(found, complaint)


def _handshakes(clear: bytes) -> tuple[str, ...]:
    # RFC 8446 section 4: type (1), length (3), body.
    names: list[str] = []
    at = 0
    while at < len(clear):
        name = _HANDSHAKES.get(clear[at])
        size = int.from_bytes(clear[at + 1 : at + 4], "big")
        # A Finished sealed under keys of earlier tokens has random bytes here; its length hardly ever fits. The last message may be cut with its token.
        cut_hello = not names and name in ("client_hello", "server_hello")
        if name is None or (at + 4 + size > len(clear) and not cut_hello):
            return (*names, "encrypted")
        names.append(name)
        at += 4 + size
    return tuple(names)


def ts_request(text: bytes) -> tuple[int | None, int | None] | None:
    """Version and errorCode of a TSRequest (MS-CSSP 2.2.1: SEQUENCE of [0] version, [1] negoTokens, [2] authInfo, [3] pubKeyAuth, [4] errorCode, ...);
    None when it is not one. The errorCode is an NTSTATUS, without its sign."""
    outer = head(text, 0, len(text))
    if outer is None or outer.tag != _SEQUENCE:
        return None
    at, end = outer.begin, min(len(text), outer.begin + outer.size)
    version = error = None
    for _ in range(_MOST_FIELDS):
        field = head(text, at, end)
        if field is None:
            break
        if field.tag == _VERSION:
            version = _integer(text, field.begin, end)
        if field.tag == _ERROR:
            error = _integer(text, field.begin, end)
        at = field.begin + field.size
    return None if version is None else (version, None if error is None else error & 0xFFFFFFFF)


def _integer(text: bytes, at: int, end: int) -> int | None:
    found = head(text, at, end)
    if found is None or found.tag != _INTEGER or found.begin + found.size > end:
        return None
    return int.from_bytes(text[found.begin : found.begin + found.size], "big", signed=True)
