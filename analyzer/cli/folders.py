"""Case folders that commands are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer import api
from analyzer.cli.printing import complain

if TYPE_CHECKING:
    from analyzer.case.hub import HubCase


def opened(folder: str) -> HubCase:
    """A case out of its folder. That it was changed after it was written is told on stderr, by every command."""
    case = api.open_case(folder)
    for one in case.changes:
        complain(f"{folder} was changed after it was written: {one}")
    return case
