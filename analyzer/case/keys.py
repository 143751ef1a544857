"""The investigator's secrets out of their files, and what hides them in every text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from analyzer.records.secrets import Secrets
    from analyzer.reports.masking import Mask

Named: TypeAlias = "str | os.PathLike[str] | None"


def keys(secrets: Named, keylog: Named, keytab: Named, *, strict: bool = False) -> tuple[Secrets, Mask]:
    """What the files hold, and the mask of it."""
    from analyzer.engine.account import hidden
    from analyzer.engine.secrets import load
    from analyzer.reports.masking import Mask

    known = load(*_paths(secrets, keylog, keytab))
    return known, Mask(*hidden(known), strict=strict)


def _paths(secrets: Named, keylog: Named, keytab: Named) -> tuple[str | None, list[str], list[str]]:
    return (
        None if secrets is None else os.fspath(secrets),
        [] if keylog is None else [os.fspath(keylog)],
        [] if keytab is None else [os.fspath(keytab)],
    )
