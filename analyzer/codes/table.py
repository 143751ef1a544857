"""The codes of ``codes.tsv``: number, symbol, meaning, remedy, and where each is documented. It is read when the first
code is asked for.

Numbers are written as people meet them: decimal in a fault, hexadecimal in Windows' own texts, negative in
PowerShell, by symbol in Kerberos. An HRESULT of the facility Win32 (0x8007....) is the Win32 code that it wraps
(MS-ERREF section 2.1.2).
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from msgspec import Struct

SOURCES = {
    "winrm": "Windows SDK, wsmerror.h",
    "win32": "MS-ERREF section 2.2",
    "hresult": "MS-ERREF section 2.1.1",
    "wmi": "MS-WMI section 2.2.11",
    "ntstatus": "MS-ERREF section 2.3.1",
    "kerberos": "RFC 4120 section 7.5.9",
    "http": "RFC 9110 section 15",
}
"""Each space of numbers and the document that defines it."""
KINDS = {
    "access": "Check the account's rights on this resource.",
    "benign": "Nothing: this is part of normal work.",
    "client": "Correct the call of the client program: this error is raised before anything is sent.",
    "config": "Correct the configuration command.",
    "events": "Check the subscription on the collector and the source (wecutil gs NAME, wecutil gr NAME).",
    "gone": "Create a new shell or command.",
    "http": "Look at who answered, and at the page.",
    "network": "Look in the capture for what the server or a device in between answered.",
    "policy": "Change the setting or the policy that forbids it.",
    "quota": "Use less at once, or raise the quota.",
    "request": "Correct the request; look for a proxy that changes bodies.",
    "server": "Read the server's event logs (Microsoft-Windows-WinRM/Operational, Application).",
    "size": "Ask for less at once, or raise MaxEnvelopeSizekb on both sides.",
    "target": "Check the resource URI, the selectors and the name of the session configuration.",
    "time": "Raise the timeout, and find out what the operation waits for.",
    "unsupported": "Leave out what the server does not support, or compare the versions of both sides.",
}
"""What a failure is about, with the usual remedy."""
WORDS = {
    "winrm": "WinRM error",
    "win32": "Windows error",
    "hresult": "Windows error",
    "wmi": "WMI error",
    "ntstatus": "NTSTATUS",
    "kerberos": "Kerberos error",
    "http": "HTTP status",
}
_WIN32 = 0x80070000
_WHOLE = 0xFFFFFFFF
_DIGITS = 11
_HEX_DIGITS = 8
_HEX = re.compile(r"(?:0x)?([0-9a-f]{1,8})h?", re.IGNORECASE)


class Code(Struct, frozen=True, gc=False):
    """One number. ``space`` is a key of `SOURCES`, ``kind`` one of `KINDS`."""

    space: str
    number: int
    symbol: str
    kind: str
    meaning: str
    remedy: str

    @property
    def hex(self) -> str:
        """As Windows writes it: ``0x80338012``, ``0x5``."""
        return f"0x{self.number:08X}" if self.number > 0xFFFF else f"0x{self.number:X}"

    @property
    def source(self) -> str:
        """The document that defines it."""
        return SOURCES[self.space]


@cache
def codes() -> tuple[Code, ...]:
    """Every code, in the order of the file."""
    text = files("analyzer.codes").joinpath("codes.tsv").read_text(encoding="utf-8")
    return tuple(_code(line) for line in text.splitlines() if line and not line.startswith("#"))


def _code(line: str) -> Code:
    space, number, symbol, kind, meaning, remedy = line.split("\t")
    return Code(space, int(number, 0), symbol, kind, meaning, remedy or KINDS[kind])


@cache
def _by_number() -> dict[tuple[str, int], Code]:
    return {(code.space, code.number): code for code in codes()}


def fault(number: str | int | None) -> Code | None:
    """What a fault's code means: the decimal text of ``WSManFault/@Code``, or the number. None for codes that are not known here."""
    value = _unsigned(number)
    if value is None:
        return None
    own = value - _WIN32 if _WIN32 <= value < _WIN32 + 0x10000 else value
    spaces = ("win32",) if own != value else ("winrm", "hresult", "wmi", "ntstatus", "win32")
    return next((found for space in spaces if (found := _by_number().get((space, own))) is not None), None)


def kerberos(number: int) -> Code | None:
    """The code of a KRB-ERROR."""
    return _by_number().get(("kerberos", number))


def ntstatus(number: int) -> Code | None:
    """The NTSTATUS (or the HRESULT that some servers send in its place) of a CredSSP errorCode."""
    value = number & _WHOLE
    return _by_number().get(("ntstatus", value)) or fault(value)


def status(number: int | None) -> Code | None:
    """What an HTTP status means for WinRM."""
    return None if number is None else _by_number().get(("http", number))


def in_hex(number: str | int | None) -> str | None:
    """A fault's code as Windows writes it, also where it is not known here."""
    value = _unsigned(number)
    return None if value is None else f"0x{value:08X}"


def looked_up(word: str) -> tuple[Code, ...]:
    """The codes that a person may mean: by symbol (also without ERROR_WSMAN_), by number in decimal (also negative) or hexadecimal, by HTTP status. Empty when
    it is none of them."""
    names = {f"{prefix}{word.upper()}" for prefix in ("", "ERROR_WSMAN_", "ERROR_WINRS_", "ERROR_")}
    named = tuple(code for code in codes() if code.symbol.upper() in names)
    if named:
        return named
    return next((found for value in _values(word) if (found := _numbered(value))), ())


def _values(word: str) -> Iterator[int]:
    """The numbers that digits may stand for, decimal first."""
    if word.removeprefix("-").isdecimal() and len(word) <= _DIGITS:
        yield int(word) & _WHOLE
    match = _HEX.fullmatch(word)
    if match is not None and (word.lower().startswith("0x") or len(match[1]) == _HEX_DIGITS):
        yield int(match[1], 16)


def _numbered(value: int) -> tuple[Code, ...]:
    same = tuple(code for code in codes() if code.number == value)
    wrapped = fault(value)
    return same or (() if wrapped is None else (wrapped,))


def symbols() -> tuple[str, ...]:
    """Every symbol, for suggestions."""
    return tuple(code.symbol for code in codes())


def _unsigned(number: str | int | None) -> int | None:
    if isinstance(number, str):
        if not number.removeprefix("-").isdecimal() or len(number) > _DIGITS:
            return None
        number = int(number)
    return None if number is None else number & _WHOLE


SUBCODES = {
    "AccessDenied": "access",
    "ActionMismatch": "request",
    "ActionNotSupported": "unsupported",
    "AlreadyExists": "target",
    "CannotProcessFilter": "request",
    "Concurrency": "server",
    "DeliveryModeRequestedUnavailable": "unsupported",
    "DeliveryRefused": "events",
    "DestinationUnreachable": "target",
    "EncodingLimit": "size",
    "EndpointUnavailable": "server",
    "EventSourceUnableToProcess": "events",
    "FilterDialectRequestedUnavailable": "unsupported",
    "FilteringNotSupported": "unsupported",
    "InternalError": "server",
    "InvalidBookmark": "events",
    "InvalidEnumerationContext": "gone",
    "InvalidOptions": "request",
    "InvalidParameter": "request",
    "InvalidRepresentation": "request",
    "InvalidSelectors": "target",
    "InvalidTimeout": "time",
    "MessageInformationHeaderRequired": "request",
    "QuotaLimit": "quota",
    "SchemaValidationError": "request",
    "TimedOut": "time",
    "UnableToRenew": "events",
    "UnsupportedFeature": "unsupported",
}
"""Subcodes of faults by what they are about, for servers that send no WSManFault (DSP0226 section 14.6)."""
