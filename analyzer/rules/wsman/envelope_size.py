"""A message is larger than the envelope size that one side allows.

Detects
    A fault about the size of an envelope, or about limits of encoding, in a response that could be read.
Impact
    The operation fails for large results or large input only, so that it looks random. A command may have run
    although its result could not be sent.
False positives
    A client that asks again for less at once gets its result; then the severity is low.
Requires
    Readable messages: clear text, or a key. HTTP's own refusal of a large request is http.request-too-large.
References
    DSP0226 section 6.2 (MaxEnvelopeSize); Windows SDK, wsmerror.h.
"""

from analyzer.rules.telling import Owner
from analyzer.rules.wsman._faults import opinion, server

OPINION = opinion(
    "size",
    title=lambda tell: f"A message is too large for {server(tell)}",
    name="A message is larger than the allowed envelope size",
    confidence=0.95,
    owner=Owner.SERVER,
    reference="Windows SDK, wsmerror.h",
)
