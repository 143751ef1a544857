"""Digest credentials (RFC 7616 section 3.4): who claims to be whom in which realm. The response hash is left alone."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from analyzer.auth.headers import Credentials
from analyzer.auth.schemes.basic import text
from analyzer.auth.schemes.reading import Reading, TokenReading, complaints, plain, unreadable
from analyzer.records.auth import Mechanism
from analyzer.records.quality import Absent

WORD = "digest"


class DigestCredentials(NamedTuple):
    """``user`` is as sent; with ``userhash=true`` it is a hash (RFC 7616 section 3.4.4). ``realm`` is None when the parameter is missing."""

    user: str
    realm: str | None


def credentials(params: Mapping[str, str]) -> Reading[DigestCredentials]:
    """User and realm of Digest parameters; names of ``params`` are lower case, values are Latin-1 text of the bytes sent."""
    realm = params.get("realm")
    shown = None if realm is None else text(realm.encode("latin-1", "replace"))
    # RFC 7616 3.4: username* carries names that ASCII cannot, in the notation of RFC 8187: charset'language'percent-encoded.
    extended = params.get("username*")
    if extended is not None and extended.count("'") >= 2:
        return Reading(DigestCredentials(text(unquote_to_bytes(extended.split("'", 2)[2])), shown))
    user = params.get("username")
    if user is None:
        return unreadable("Digest credentials without a username")
    return Reading(DigestCredentials(text(user.encode("latin-1", "replace")), shown))


def token(sent: Credentials) -> TokenReading:
    """The token of an Authorization field; of a parameter that comes twice the first counts."""
    first: dict[str, str] = {}
    for name, value in sent.params:
        first.setdefault(name, value)
    who, complaint = credentials(first)
    user, realm = (None, None) if isinstance(who, Absent) else who
    return TokenReading(plain(sent, Mechanism.DIGEST, user=user, realm=realm), complaints(complaint))
