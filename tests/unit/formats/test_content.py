"""Content codings are undone within limits; a bomb is refused before it is large."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.formats.content import codings, unpacked
from analyzer.records.http import Header
from analyzer.records.quality import Absent, Why
from tests.oracle.test_compression import _sldc

TEXT = b"<s:Envelope>" * 100
LIMIT = 64 << 20


def test_what_headers_name() -> None:
    headers = [Header("content-encoding", "identity, GZIP", 0), Header("X", "y", 0), Header("Content-Encoding", " SLDC ", 0)]
    assert codings(headers) == ("gzip", "sldc")
    assert codings([]) == ()


@pytest.mark.parametrize(
    ("data", "applied"),
    [
        (TEXT, []),
        (gzip.compress(TEXT, mtime=0), ["gzip"]),
        (zlib.compress(TEXT), ["deflate"]),
        (zlib.compress(TEXT)[2:-4], ["deflate"]),
        (gzip.compress(zlib.compress(TEXT), mtime=0), ["deflate", "gzip"]),
        (_sldc(TEXT), ["sldc"]),
        (TEXT, ["sldc"]),
        (TEXT, ["gzip"]),  # markup that was only called compressed
    ],
)
def test_codings(data: bytes, applied: list[str]) -> None:
    assert unpacked(data, applied, LIMIT) == TEXT


@pytest.mark.parametrize(
    ("data", "applied", "why"),
    [
        (gzip.compress(bytes(80 << 20), mtime=0), ["gzip"], Why.OVER_LIMIT),
        (gzip.compress(gzip.compress(bytes(40 << 20), mtime=0), mtime=0), ["gzip", "gzip"], Why.OVER_LIMIT),
        (TEXT, ["gzip"] * 3, Why.OVER_LIMIT),
        (b"?" + TEXT, ["gzip"], Why.MALFORMED),
        (TEXT, ["br"], Why.UNSUPPORTED),
    ],
)
def test_what_is_refused(data: bytes, applied: list[str], why: Why) -> None:
    found = unpacked(data, applied, LIMIT)
    assert isinstance(found, Absent)
    assert found.why is why
    assert found.detail


@given(st.binary(max_size=200), st.lists(st.sampled_from(["gzip", "deflate", "sldc", "br", ""]), max_size=3))
def test_any_bytes_are_unpacked_or_refused(data: bytes, applied: list[str]) -> None:
    found = unpacked(data, applied, 1000)
    assert isinstance(found, Absent) or len(found) <= max(1000, len(data))
