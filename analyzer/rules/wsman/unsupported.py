"""The server does not support what the request asks for.

Detects
    A fault that says unsupported (feature, action, encoding, option, version) in a response that could be read.
Impact
    Client and server are of different products or versions, or a device changed the request's encoding on its way.
False positives
    Clients that try a newer feature first and fall back; then the severity is low.
Requires
    Readable messages: clear text, or a key.
References
    DSP0226 section 14.6; Windows SDK, wsmerror.h.
"""

from analyzer.rules.telling import Owner
from analyzer.rules.wsman._faults import opinion, server

OPINION = opinion(
    "unsupported",
    title=lambda tell: f"{server(tell)} does not support a {tell.first.fact.operation or 'WinRM'} request",
    name="The server does not support a request",
    owner=Owner.CLIENT,
    reference="DSP0226 section 14.6",
)
