"""Equal findings of one cause, told once."""

from msgspec import Struct

from analyzer.records.finding import Severity
from analyzer.records.story import Certainty


class Incident(Struct, frozen=True, gc=False):
    """What one rule found at one party. ``owner`` has to change something; ``party`` is that party, or the one where it shows; None: unknown.

    ``clients`` of ``clients_total`` clients of that party are concerned: the machines behind a proxy, not its connections. ``logons`` and ``requests`` count
    what clients did, as far as the findings name it; what both sides of a proxy show is one. ``findings``: ids, in
    order. ``cost_ns``: how long clients waited for what failed.
    ``explains``: rules whose findings are symptoms of this one and are not told; ``explained_by``: the incident that this one probably follows from.
    ``background``: a note that comes with healthy captures, too.
    """

    id: str
    rule: str
    owner: str | None
    party: str | None
    severity: Severity
    title: str
    clients: int
    clients_total: int
    first_ns: int
    last_ns: int
    findings: tuple[str, ...]
    logons: int = 0
    requests: int = 0
    cost_ns: int | None = None
    explains: tuple[str, ...] = ()
    explained_by: str | None = None
    certainty: Certainty = Certainty.PROVED
    background: bool = False
    change: str = ""
    """What to change, in one sentence: the lead of the first member's advice."""
    packets: tuple[int, ...] = ()
    """Keys of the first member's packets, the ones to look at first."""
