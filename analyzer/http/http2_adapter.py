"""The one place that imports hyperframe and hpack (both MIT): frames of HTTP/2 (RFC 9113 section 4) and the compression of their fields (RFC 7541).

They are endpoints' libraries: what they raise on bytes that are no such frame or block is named once, below, and becomes None.
"""

from msgspec import Struct

HEAD = 9
"""Bytes of a frame's head."""
LIST = 1 << 20
"""Bytes of a field section when it is decompressed; more is taken for an attack on the reader."""
_TABLE = 1 << 16
"""Bytes of a compression table that is allowed: the peer's limit travels in the other direction, and may be lost."""


class Frame(Struct, frozen=True, gc=False):
    """A frame: type by name (``HEADERS``, ``DATA``, ...), stream, flags by name, and what it carries without padding.

    ``body_at`` is where its payload stands behind its head, ``body`` that payload (a part of a field section, or data); ``error`` the code of RST_STREAM or
    GOAWAY by name.
    """

    kind: str
    stream: int
    flags: frozenset[str]
    body: bytes = b""
    body_at: int = 0
    error: str | None = None


class Fields:
    """Decompresses the field sections of one direction, in their order; without one of them those after it cannot be read."""

    def __init__(self) -> None:
        from hpack import Decoder

        self._decoder = Decoder(max_header_list_size=LIST)
        self._decoder.max_allowed_table_size = _TABLE

    def section(self, block: bytes) -> list[tuple[str, str]] | None:
        """The fields in order, names and values as Latin-1 (lossless); None when the block is none, after which nothing can be read."""
        from hpack.exceptions import HPACKError

        try:
            found = self._decoder.decode(block, raw=True)
        except (HPACKError, ValueError, IndexError):
            return None
        return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in found]


def size_of(head: bytes) -> int | None:
    """The size of the payload behind a frame's head; None when these bytes are not the head of a frame."""
    return int.from_bytes(head[:3], "big") if len(head) == HEAD else None


def frame(head: bytes, payload: bytes) -> Frame | None:
    """The frame; None for what is not one. Of a type that is not known only the type is told."""
    from hyperframe.exceptions import HyperframeError
    from hyperframe.frame import DataFrame, ExtensionFrame
    from hyperframe.frame import Frame as Read

    try:
        made, size = Read.parse_frame_header(memoryview(head))
        if size != len(payload):
            return None
        made.parse_body(memoryview(payload))
    except (HyperframeError, ValueError, IndexError):
        return None
    if isinstance(made, ExtensionFrame):
        return Frame("unknown", made.stream_id, frozenset())
    kind = type(made).__name__.removesuffix("Frame").upper()
    body = bytes(getattr(made, "data", b"")) if kind in ("HEADERS", "CONTINUATION", "DATA", "PUSHPROMISE") else b""
    at = 1 if isinstance(made, DataFrame) and "PADDED" in made.flags else 0
    code = getattr(made, "error_code", None) if kind in ("RSTSTREAM", "GOAWAY") else None
    return Frame(kind, made.stream_id, frozenset(made.flags), body, at, None if code is None else _ERRORS.get(code, f"0x{code:x}"))


_ERRORS = dict(
    enumerate(
        (
            *("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR"),
            *("REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"),
        )
    )
)
"""RFC 9113 section 7."""
