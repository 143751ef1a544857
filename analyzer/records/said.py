"""What a message in clear text says of shells, resources and events, worked out where its envelope is described, so that nobody reads its body again."""

from msgspec import Struct

from analyzer.records.forwarding import ForwardHalf
from analyzer.records.operations import CimHalf
from analyzer.records.wsman import Operation


class Said(Struct, frozen=True, gc=False):
    """Of a body that is whole, neither packed nor with packed streams. ``operation``: of a shell, or (``by_method``) a command line that a method of a CIM
    class gets; ``listing``: shells that a server lists."""

    operation: Operation | None = None
    by_method: bool = False
    cim: CimHalf | None = None
    forwarded: ForwardHalf | None = None
    listing: Operation | None = None
