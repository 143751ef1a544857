"""Opens bodies of a CredSSP context: they are records of the TLS connection that the handshake's header tokens began (MS-WSMV 2.2.9.1.3, MS-CSSP 3.1.5).

For each direction the decoded header tokens and then the bodies' token headers with their data are one run of TLS records. The key log that the client or the
server wrote for this inner TLS opens it; each record is proved by its tag, and its number found when bodies before it are not in the capture.
"""

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from analyzer.auth.schemes import credssp, ntlm
from analyzer.formats.holes import Holed
from analyzer.formats.tls import KeyLog, Piece, opened, unsealed
from analyzer.records.auth import Conversation, CredsspFacts
from analyzer.records.http import Exchange
from analyzer.records.quality import Absent
from analyzer.records.transport import Extents, Stream
from analyzer.sealing.contexts import tls_token
from analyzer.sealing.ntlm import Opened

_NTLM_AUTHENTICATE = b"NTLMSSP\x00\x03\x00\x00\x00"


class Chunk(NamedTuple):
    """Bytes of one direction in order; ``sealed`` is the digest by which a body's part is known, None for a header token."""

    data: bytes
    sealed: bytes | None


def digest(header: bytes, data: bytes) -> bytes:
    """By which a part is known."""
    return hashlib.sha256(header + data).digest()


class CredsspContext:
    """The parts that the key log opened, by digest. It has no position."""

    def __init__(self, texts: dict[bytes, bytes], client: str | None, tag: str) -> None:
        self._texts = texts
        self.tag = tag
        """What its TLS was decrypted with."""
        self.client = client
        """The user of the NTLM exchange inside the TSRequests, None when it was Kerberos."""

    def fresh(self) -> "CredsspContext":
        """Itself: it has no position."""
        return self

    def mark(self, *, from_client: bool) -> tuple[int, int]:
        """Nothing to remember."""
        del from_client
        return 0, 0

    def reset(self, mark: tuple[int, int], *, from_client: bool) -> None:
        """Nothing to go back to."""

    def passed(self, sizes: list[int], *, from_client: bool) -> None:
        """A loss changes nothing."""

    def open(self, header: bytes, data: bytes, *, from_client: bool) -> Opened | None:
        """The plaintext of one part; None when the key log did not open it."""
        del from_client
        text = self._texts.get(digest(header, data))
        return None if text is None else Opened(text, good=True)

    def guess(self, header: bytes, found: Holed, *, from_client: bool) -> Holed | None:
        """Nothing: a TLS record without all of its bytes has no plaintext that anyone could tell."""
        del header, found, from_client
        return None


def context(sent: Sequence[Chunk], received: Sequence[Chunk], keys: KeyLog) -> CredsspContext | None:
    """The context of the chunks of both directions; None when the key log does not have its secrets."""
    runs = (b"".join(chunk.data for chunk in sent), b"".join(chunk.data for chunk in received))
    found = unsealed(_stream(0, runs[0]), _stream(1, runs[1]), keys, lambda source, at, size: runs[source][at : at + size])
    if found is None or not any(found.pieces):
        return None
    texts: dict[bytes, bytes] = {}
    for chunks, pieces in zip((sent, received), found.pieces, strict=True):
        _assign(chunks, pieces, texts)
    return CredsspContext(texts, _client(found.pieces[0]), found.tag)


def facts(spoken: Conversation, exchanges: Mapping[str, Exchange], keys: KeyLog) -> CredsspFacts | None:
    """What the TSRequests of a logon say, None when the key log does not have its secrets."""
    tokens = [[tls_token(exchanges[identity], from_client=side) for identity in spoken.exchanges] for side in (True, False)]
    runs = [b"".join(side) for side in tokens]
    found = opened(_stream(0, runs[0]), _stream(1, runs[1]), keys, lambda source, at, size: runs[source][at : at + size])
    if found is None:
        return None
    ours, theirs = ([told for piece in side if (told := credssp.ts_request(piece.text)) is not None] for side in found)
    error = next((code for _, code in theirs if code), None)
    return CredsspFacts(_highest(ours), _highest(theirs), error)


def _highest(told: Sequence[tuple[int | None, int | None]]) -> int | None:
    return max((version for version, _ in told if version is not None), default=None)


def _client(sent: Sequence[Piece]) -> str | None:
    """The identity in the NTLM message 3 that a TSRequest carries (MS-CSSP 2.2.1). The delegated password is in none of what is looked at."""
    for piece in sent:
        at = piece.text.find(_NTLM_AUTHENTICATE)
        told = ntlm.message(piece.text[at:]).value if at >= 0 else None
        if told is not None and not isinstance(told, Absent) and told.user:
            return f"{told.domain}\\{told.user}" if told.domain else told.user
    return None


def _stream(source: int, data: bytes) -> Stream:
    one = array("q", [0]) if data else array("q")
    size = array("q", [len(data)]) if data else array("q")
    extents = Extents(one, size, array("q", [source] * len(one)), one, one, one, one)
    return Stream(extents, (), len(data))


def _assign(chunks: Sequence[Chunk], pieces: Sequence[Piece], texts: dict[bytes, bytes]) -> None:
    """A part's plaintext is that of the records that lie in it."""
    at = place = 0
    for chunk in chunks:
        end = at + len(chunk.data)
        text = []
        while place < len(pieces) and pieces[place].raw_end <= end:
            if pieces[place].raw_at >= at:
                text.append(pieces[place].text)
            place += 1
        if chunk.sealed is not None and text:
            texts[chunk.sealed] = b"".join(text)
        at = end
