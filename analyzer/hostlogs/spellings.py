"""How logs write what packets have otherwise: ports, addresses, names of hosts and accounts."""

_PORT_DIGITS = 5


def is_port(value: object) -> bool:
    """A number of a port, in digits or as a number."""
    text = str(value)
    return text.isdecimal() and text.isascii() and len(text) <= _PORT_DIGITS and int(text) < 1 << 16


def address(value: object) -> str:
    """An address as connections have it."""
    return str(value or "").lower().removeprefix("::ffff:")


def short(name: str) -> str:
    """The first label of a host's name, in small letters."""
    return name.partition(".")[0].lower()


def user(name: str) -> str:
    """A user without domain or realm, in small letters."""
    return name.rpartition("\\")[2].partition("@")[0].lower()
