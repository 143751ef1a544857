"""An operation did not end within its time limit.

Detects
    A fault about a timeout or time limit in a response that could be read, on anything but a waiting Receive or
    Pull: these end so all the time.
Impact
    The server gave up the operation. What it had begun may still be running.
False positives
    A client that asks with a short limit on purpose.
Requires
    Readable messages: clear text, or a key.
References
    DSP0226 section 6.1 (OperationTimeout); Windows SDK, wsmerror.h.
"""

from analyzer.rules.telling import Owner
from analyzer.rules.wsman._faults import opinion, server

OPINION = opinion(
    "time",
    title=lambda tell: f"{tell.first.fact.operation or 'An operation'} ran into its time limit on {server(tell)}",
    name="An operation ran into its time limit",
    owner=Owner.SERVER,
    reference="DSP0226 section 6.1",
)
