"""The request names something that the server does not have.

Detects
    A fault that says that resource URI, selectors, class, namespace, session configuration or file do not exist, in a
    response that could be read.
Impact
    Nothing was done. As a rule the name of the session configuration (endpoint, JEA) is misspelled, was never
    registered on this server, or needs a role or feature that is not installed.
False positives
    Programs look for what may be there and go on without it; then the severity is low.
Requires
    Readable messages: clear text, or a key.
References
    MS-WSMV section 2.2.4.43; DSP0226 section 14.6.
"""

from analyzer.rules.telling import Owner
from analyzer.rules.wsman._faults import opinion, server

OPINION = opinion(
    "target",
    title=lambda tell: f"{server(tell)} does not have {tell.first.fact.resource or 'what was asked for'}",
    name="The server does not have what was asked for",
    owner=Owner.CLIENT,
    reference="DSP0226 section 14.6",
)
