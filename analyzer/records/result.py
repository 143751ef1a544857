"""What a run gives: the evidence, and what the rules say about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.records.evidence import Evidence
    from analyzer.records.finding import Finding
    from analyzer.records.incident import Incident
    from analyzer.records.proxy import Scorecard
    from analyzer.records.wsman import Command, Shell

SCHEMA = 4
"""Of a case folder; grows when a name in it changes its meaning, or when it holds something new that commands rest on (2: the records;
3: hosts, names, clocks, operations and host events; 4: event forwarding)."""


class Result(Struct, frozen=True, gc=False):
    """``auth_steps``: by exchange id, the word of the column auth_step (offer, negotiate, challenge, authenticate, accepted, refused) where there is one.

    ``scorecards``: one for each proxy that carries WinRM. ``shells`` and ``commands``: what was run, as far as bodies could be read.
    """

    evidence: Evidence
    findings: tuple[Finding, ...]
    auth_steps: Mapping[str, str]
    scorecards: tuple[Scorecard, ...] = ()
    shells: tuple[Shell, ...] = ()
    commands: tuple[Command, ...] = ()
    incidents: tuple[Incident, ...] = ()
    """The findings grouped by cause, the most severe first."""
    diagnosis: tuple[str, ...] = ()
    """What all of it comes to: at most four sentences."""
