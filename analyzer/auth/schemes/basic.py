"""Basic credentials (RFC 7617): base64 of ``user:password``. The user name is kept, the password never leaves this function."""

from analyzer.auth.headers import Credentials, decoded
from analyzer.auth.schemes.reading import Reading, TokenReading, complaints, plain, unreadable
from analyzer.records.auth import Mechanism
from analyzer.records.quality import Absent

WORD = "basic"


def token(sent: Credentials) -> TokenReading:
    """The token of an Authorization field."""
    raw = decoded(sent.text or "")
    if isinstance(raw, Absent):
        return TokenReading(plain(sent, Mechanism.BASIC), complaints(f"Basic: {raw.detail}"))
    name, complaint = user(raw)
    return TokenReading(plain(sent, Mechanism.BASIC, raw, user=None if isinstance(name, Absent) else name), complaints(complaint))


def user(raw: bytes) -> Reading[str]:
    """The user name of decoded Basic credentials, as sent (a domain before a backslash or after an @ stays in it).

    RFC 7617 section 2: the first colon ends the user name. Without one nobody knows whether the text is a name or a password, so it is not shown.
    """
    name, colon, _ = raw.partition(b":")
    if not colon:
        return unreadable("Basic credentials without a colon")
    return Reading(text(name))


def text(raw: bytes) -> str:
    """RFC 7617 section 2.1: UTF-8 where the bytes are that, else Latin-1, which gives every byte a letter."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
