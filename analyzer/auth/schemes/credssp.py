"""CredSSP over HTTP (MS-WSMV 2.2.9.1.3.1, MS-CSSP 3.1.5): the token is raw TLS records, and all that matters happens inside of them.

Only what travels in clear is read: record headers (RFC 8446 section 5.1) and the types of handshake messages until a ChangeCipherSpec. Handshake messages may
be split over records, so the payloads of neighbouring handshake records are joined before they are walked.
"""

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
        at += _HEADER_SIZE + size
    complaint = "" if at == len(raw) else f"TLS records end at byte {at} of a {len(raw)}-byte token"
    found = TlsRecords(tuple(contents), (*_handshakes(b"".join(clear)), *handshakes), _VERSIONS.get(highest))
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
