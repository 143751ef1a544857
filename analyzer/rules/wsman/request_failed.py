"""A request failed for another reason than those that have a rule of their own.

Detects
    Any fault in a response that could be read that is not about rights, quotas, sizes, time, shells, names, support
    or policy, and is not part of normal work.
Impact
    No fault stays silent: the server's own words say what failed.
False positives
    Programs may expect a fault and go on; when a later request of the same kind went well, the severity is low.
Requires
    Readable messages: clear text, or a key.
References
    MS-WSMV section 2.2.4.43; Windows SDK, wsmerror.h.
"""

from analyzer.rules.telling import Owner
from analyzer.rules.wsman._faults import coded, opinion

OPINION = opinion(
    "request",
    "server",
    "events",
    "network",
    "config",
    "client",
    "http",
    "unknown",
    title=lambda tell: f"Request failed: {tell.first.fact.fault.text or coded(tell.first.fact)}",
    name="A request failed",
    owner=Owner.SERVER,
    reference="MS-WSMV section 2.2.4.43",
)
