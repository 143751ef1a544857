"""HTTP/2 as an endpoint's library says it (h2's own parts: hyperframe, hpack), for transcripts."""

from hpack import Encoder
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HTTP_1_1_REQUIRED = 0xD
Field = tuple[str, str]


class Side:
    """One end: its compression goes on from message to message."""

    def __init__(self) -> None:
        self._encoder = Encoder()

    def begin(self, *, client: bool) -> bytes:
        """The preface and the settings of an end."""
        settings = SettingsFrame(0, {SettingsFrame.MAX_CONCURRENT_STREAMS: 100, SettingsFrame.INITIAL_WINDOW_SIZE: 65535}).serialize()
        return (PREFACE if client else b"") + settings + WindowUpdateFrame(0, window_increment=1000).serialize()

    def head(self, stream: int, *fields: Field, end: bool = False, pieces: int = 1, padding: int = 0) -> bytes:
        """A field section in one frame, or in several."""
        block = self._encoder.encode(list(fields))
        step = -(-len(block) // pieces)
        cut = [block[at : at + step] for at in range(0, len(block), step)]
        first = HeadersFrame(stream, cut[0], pad_length=padding)
        _flag(first, END_STREAM=end, END_HEADERS=len(cut) == 1, PADDED=padding > 0)
        more = [ContinuationFrame(stream, piece) for piece in cut[1:]]
        if more:
            more[-1].flags.add("END_HEADERS")
        return b"".join(one.serialize() for one in (first, *more))

    def post(self, stream: int, path: str = "/wsman", *fields: Field, body: bytes = b"", host: str = "srv01.lab.example:5986", pieces: int = 1) -> bytes:
        """A request as .NET makes it."""
        pseudo = ((":method", "POST"), (":scheme", "https"), (":authority", host), (":path", path))
        head = self.head(stream, *pseudo, ("content-length", str(len(body))), *fields, end=not body, pieces=pieces)
        return head + (data(stream, body) if body else b"")

    def reply(self, stream: int, status: int, *fields: Field, body: bytes = b"") -> bytes:
        """A response."""
        return self.head(stream, (":status", str(status)), *fields, end=not body) + (data(stream, body) if body else b"")


def _flag(made: Frame, **flags: bool) -> None:
    for name, wanted in flags.items():
        if wanted:
            made.flags.add(name)


def data(stream: int, body: bytes, *, end: bool = True, padding: int = 0) -> bytes:
    """A body in one frame."""
    made = DataFrame(stream, body, pad_length=padding)
    _flag(made, END_STREAM=end, PADDED=padding > 0)
    return made.serialize()


def reset(stream: int, code: int = HTTP_1_1_REQUIRED) -> bytes:
    """RST_STREAM."""
    return RstStreamFrame(stream, error_code=code).serialize()


def goaway(code: int = 0) -> bytes:
    """GOAWAY."""
    return GoAwayFrame(0, last_stream_id=1, error_code=code).serialize()
