"""A message as it was read, before it is a record."""

from msgspec import Struct

from analyzer.http.heads import Head
from analyzer.records.http import Body


class Raw(Struct, gc=False):
    """``resumed``: the framing had been lost before it. ``cut``: it is not whole."""

    head: Head
    body: Body
    end_at: int
    resumed: bool
    cut: bool
