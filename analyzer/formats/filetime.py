"""FILETIME (MS-DTYP 2.3.3): units of 100 ns since 1601, the time in which Windows counts."""

UNITS_TO_1970 = 116_444_736_000_000_000
_UNIT_NS = 100


def unix_ns(units: int) -> int:
    """A FILETIME as nanoseconds since 1970."""
    return (units - UNITS_TO_1970) * _UNIT_NS
