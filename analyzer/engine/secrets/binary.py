"""Credential caches and key tables of Kerberos as MIT krb5 and Windows keep them: keytab, ccache, KRB-CRED (.kirbi).

Layouts: MIT krb5, "The keytab file format" and "The credential cache file format" (versions 3 and 4); RFC 4120 section 5.8 for KRB-CRED.
"""

import base64
import binascii
import struct
from collections.abc import Iterator

from analyzer.engine.secrets.content import Content, Entry
from analyzer.errors import UsageError
from analyzer.records.secrets import KerberosKey, Secret, TicketKey

KEYTAB = b"\x05\x02"
_CCACHES = (b"\x05\x03", b"\x05\x04")
_KRB_CRED = 0x76
_CONFIGURATION = "X-CACHECONF:"
"""The realm of entries that are notes of the library, not tickets."""


def is_keytab(content: Content) -> bool:
    """A keytab of format 0x0502, or of the older 0x0501."""
    return content.data[:2] in (KEYTAB, b"\x05\x01")


def is_ccache(content: Content) -> bool:
    """A credential cache, version 3 or 4."""
    return content.data[:2] in _CCACHES


def is_kirbi(content: Content) -> bool:
    """A KRB-CRED message as it is, or its base64 as Rubeus prints it."""
    return _kirbi(content) is not None


def _kirbi(content: Content) -> bytes | None:
    if content.data[:1] == bytes([_KRB_CRED]) and content.data[1:2] >= b"\x81":
        return content.data
    text = "".join((content.text or "").split()) if len(content.data) < 1 << 20 and content.data.strip()[:2] in (b"do", b"\xff\xfe") else ""
    if not text.startswith("do"):
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if data[:1] == bytes([_KRB_CRED]) else None


def keytab(content: Content) -> Iterator[Entry]:
    """The keys of a keytab: big-endian records of principal, time, kvno and key."""
    if content.data[:2] != KEYTAB:
        msg = f"{content.path}: not a keytab of format 0x0502"
        raise UsageError(msg)
    try:
        yield from list(_keytab_entries(content.data, content.name))
    except (struct.error, IndexError) as error:
        msg = f"{content.path}: the keytab is damaged"
        raise UsageError(msg) from error


def _keytab_entries(data: bytes, name: str) -> Iterator[KerberosKey]:
    at = 2
    while at + 4 <= len(data):
        size = struct.unpack_from(">i", data, at)[0]
        at += 4
        if size > 0:
            yield _keytab_entry(data[at : at + size], name)
        at += abs(size)


def _keytab_entry(entry: bytes, name: str) -> KerberosKey:
    count = struct.unpack_from(">H", entry)[0]
    at = 2
    texts = []
    for _ in range(count + 1):  # the realm, then the components
        size = struct.unpack_from(">H", entry, at)[0]
        texts.append(entry[at + 2 : at + 2 + size].decode("utf-8", "replace"))
        at += 2 + size
    kvno, etype, size = struct.unpack_from(">BHH", entry, at + 8)  # after name type and time
    value = entry[at + 13 : at + 13 + size]
    rest = entry[at + 13 + size :]
    if len(rest) >= 4:
        kvno = struct.unpack_from(">I", rest)[0] or kvno
    principal = f"{'/'.join(texts[1:])}@{texts[0]}"
    return KerberosKey(f"keytab:{name}:{principal}:{etype}", etype, Secret(value), principal, kvno)


def ccache(content: Content) -> Iterator[Entry]:
    """The tickets of a credential cache, each with its session key."""
    try:
        found = list(_credentials(content.data, content.name))
    except (struct.error, IndexError) as error:
        msg = f"{content.path}: the credential cache is damaged"
        raise UsageError(msg) from error
    yield from found


class _Fields:
    """Big-endian fields of a credential cache, in order; `struct.error` where one is not whole."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        """So many bytes."""
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            msg = "cut"
            raise struct.error(msg)
        self.at += size
        return found

    def number(self, size: int) -> int:
        """A number of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def counted(self) -> bytes:
        """Bytes after their length."""
        return self.take(self.number(4))

    def principal(self) -> str:
        """Name type, count of components, realm, components."""
        self.take(4)
        count = self.number(4)
        realm = self.counted().decode("utf-8", "replace")
        return f"{'/'.join(self.counted().decode('utf-8', 'replace') for _ in range(min(count, 64)))}@{realm}"


def _credentials(data: bytes, name: str) -> Iterator[TicketKey]:
    fields = _Fields(data)
    version = fields.number(2)
    if version == 0x0504:
        fields.take(fields.number(2))
    fields.principal()
    while fields.at < len(data):
        client, server = fields.principal(), fields.principal()
        etype = fields.number(2)
        if version == 0x0503:
            fields.take(2)  # the key type is written twice
        key = fields.counted()
        fields.take(16 + 1 + 4)  # times, whether it is a session-key ticket, flags
        for _ in range(2):  # addresses, authorization data
            for _ in range(fields.number(4)):
                fields.take(2)
                fields.counted()
        ticket = fields.counted()
        fields.counted()
        if not server.rpartition("@")[2].startswith(_CONFIGURATION):
            made = _of_ticket(f"ccache:{name}:{server}", etype, key, ticket, client, server)
            if made is not None:
                yield made


def _of_ticket(tag: str, etype: int, key: bytes, ticket: bytes, client: str, server: str) -> TicketKey | None:
    from analyzer.auth.schemes.scapy_adapter import ticket as read

    told = read(ticket)
    return None if told is None else TicketKey(tag, etype, Secret(key), told.encrypted.digest, client, server)


def kirbi(content: Content) -> Iterator[Entry]:
    """The tickets of a KRB-CRED, each with its session key; its encrypted part has to be in clear (encryption type 0), as tools write it."""
    from analyzer.auth.schemes.scapy_adapter import krb_cred

    data = _kirbi(content)
    found = None if data is None else krb_cred(data)
    if found is None:
        msg = f"{content.path}: a KRB-CRED message (.kirbi) that cannot be read, or whose keys are encrypted"
        raise UsageError(msg)
    for one in found:
        yield TicketKey(f"kirbi:{content.name}:{one.service}", one.key.etype, one.key.value, one.ticket.encrypted.digest, one.client, one.service)
