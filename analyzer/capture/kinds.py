"""What a file is that is no capture, by its first bytes: one sentence for a person who gave it, instead of "unknown format"."""

from typing import NamedTuple

HEAD_SIZE = 4096
_TAR = 257
_SHOWN = 8
_PRINTABLE = 0.97
_TEXT = frozenset((*range(0x20, 0x7F), 9, 10, 12, 13))


class Kind(NamedTuple):
    """A kind of file: the bytes that tell it and where they lie, what it is in singular and plural, and what its owner may do instead."""

    magic: bytes
    one: str
    many: str
    advice: str = ""
    at: int = 0


_UNPACK = "Unpack it and give the captures in it."
_CONVERT = "Wireshark's editcap can convert it: editcap -F pcapng IN OUT."
KINDS = (
    Kind(b"ElfFile\0", "a Windows event log (EVTX)", "Windows event logs (EVTX)", "It holds events and no packets."),
    Kind(b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "7-Zip archives", _UNPACK),
    Kind(b"Rar!\x1a\x07", "a RAR archive", "RAR archives", _UNPACK),
    Kind(b"MSCF", "a Windows cabinet", "Windows cabinets", "netsh trace leaves one next to its .etl file: give that file."),
    Kind(b"ustar", "a tar archive", "tar archives", _UNPACK, _TAR),
    Kind(b"PK\x03\x04", "a ZIP archive", "ZIP archives", "Give it by its name."),
    Kind(b"PK\x05\x06", "an empty ZIP archive", "empty ZIP archives"),
    Kind(b"\x04\x22\x4d\x18", "an LZ4 file", "LZ4 files", "Decompress it first (lz4 -d)."),
    Kind(b"LZIP", "an lzip file", "lzip files", "Decompress it first (lzip -d)."),
    Kind(b"%PDF", "a PDF document", "PDF documents"),
    Kind(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE document (Office up to 2003, or an installer)", "OLE documents (Office up to 2003, or installers)"),
    Kind(b"{\\rtf", "an RTF document", "RTF documents"),
    Kind(b"\x7fELF", "a Linux program (ELF)", "Linux programs (ELF)"),
    Kind(b"MZ", "a Windows program (PE)", "Windows programs (PE)"),
    Kind(b"\xca\xfe\xba\xbe", "a Java class or macOS program", "Java classes or macOS programs"),
    Kind(b"\xcf\xfa\xed\xfe", "a macOS program (Mach-O)", "macOS programs (Mach-O)"),
    Kind(b"SQLite format 3\0", "an SQLite database", "SQLite databases"),
    Kind(b"\xef\xcd\xab\x89", "an ESE database (such as NTDS.dit)", "ESE databases (such as NTDS.dit)", at=4),
    Kind(b"regf", "a Windows registry hive", "Windows registry hives"),
    Kind(b"PAR1", "a Parquet table", "Parquet tables"),
    Kind(b"MDMP", "a Windows minidump", "Windows minidumps"),
    Kind(b"PAGEDU", "a Windows memory dump", "Windows memory dumps"),
    Kind(b"vhdxfile", "a virtual disk (VHDX)", "virtual disks (VHDX)"),
    Kind(b"KDMV", "a virtual disk (VMDK)", "virtual disks (VMDK)"),
    Kind(b"EVF\x09\x0d\x0a\xff\x00", "an EnCase disk image", "EnCase disk images"),
    Kind(b"\x89PNG", "a PNG picture", "PNG pictures"),
    Kind(b"\xff\xd8\xff", "a JPEG picture", "JPEG pictures"),
    Kind(b"GIF8", "a GIF picture", "GIF pictures"),
    Kind(b"-----BEGIN ", "a PEM file (key or certificate)", "PEM files (keys or certificates)"),
    Kind(b"\x05\x02\x00\x00", "a Kerberos keytab", "Kerberos keytabs", "Give it with --keytab."),
    Kind(b"\x05\x04\x00", "a Kerberos ticket cache", "Kerberos ticket caches"),
    Kind(b"CLIENT_", "a TLS key log", "TLS key logs", "Give it with --keylog."),
    Kind(b"TRSNIFF data    \x1a", "a capture of the Sniffer", "captures of the Sniffer", _CONVERT),
    Kind(b"XCP\0", "a capture of NetXRay", "captures of NetXRay", _CONVERT),
    Kind(b"\x7fver", "a capture of OmniPeek", "captures of OmniPeek", _CONVERT),
    Kind(b"\x54\x52\x00\x64\x00", "a capture of HP-UX nettl", "captures of HP-UX nettl", _CONVERT),
    Kind(b"iptrace ", "a capture of AIX iptrace", "captures of AIX iptrace", _CONVERT),
    Kind(b"btsnoop\0", "a capture of Bluetooth packets", "captures of Bluetooth packets"),
    Kind(b"<?xml", "an XML document", "XML documents"),
    Kind(b"\xff\xfe<\0", "an XML document", "XML documents"),
    Kind(b"\xef\xbb\xbf<?xml", "an XML document", "XML documents"),
)
_EMPTY = Kind(b"", "empty", "empty files")
_PLAIN = Kind(b"", "a text file", "text files", "A capture as text holds too little: save it as pcapng.")
_WIDE = Kind(b"", "a text file (UTF-16)", "text files (UTF-16)")
_OTHER = Kind(b"", "in no known format", "files in no known format")


def kind_of(head: bytes) -> Kind:
    """The kind of a file that is no capture, by its first bytes (`HEAD_SIZE` of them, or all)."""
    if not head:
        return _EMPTY
    found = next((kind for kind in KINDS if head.startswith(kind.magic, kind.at)), None)
    if found is not None:
        return found
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _WIDE
    return _PLAIN if b"\0" not in head and sum(byte in _TEXT or byte > 0x7F for byte in head) >= _PRINTABLE * len(head) and _decodes(head) else _OTHER


def sentence(head: bytes) -> str:
    """One sentence: what the file is instead of a capture."""
    kind = kind_of(head)
    if kind is _EMPTY:
        return "the file is empty"
    if kind is _OTHER:
        return f"the file is in no format of captures that is known here (it begins with {head[:_SHOWN].hex(' ')})"
    return f"the file is {kind.one}, not a capture." + (f" {kind.advice}" if kind.advice else "")


def _decodes(head: bytes) -> bool:
    try:
        head[:-3].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 6
    return True
