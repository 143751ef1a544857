"""The investigator's secrets out of their files, and what hides them in every text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection

    from analyzer.records.secrets import Secrets
    from analyzer.reports.masking import Mask

Named: TypeAlias = "str | os.PathLike[str] | None"


def keys(secrets: Named, keylog: Named, keytab: Named, *, strict: bool = False) -> tuple[Secrets, Mask]:
    """What the files hold, and the mask of it."""
    known = given(secrets, keylog, keytab)
    return known, mask_of(known, (), strict=strict)


def given(secrets: Named, keylog: Named, keytab: Named) -> Secrets:
    """What the files hold."""
    from analyzer.engine.secrets.load import load

    return load(*_paths(secrets, keylog, keytab))


def mask_of(known: Secrets, fits: Collection[str], *, strict: bool = False) -> Mask:
    """What hides them. ``fits``: the tags of those that proved right: of long lists these are hidden (`analyzer.engine.account.hidden`)."""
    from analyzer.engine.account import hidden
    from analyzer.reports.masking import Mask

    return Mask(*hidden(known, fits), strict=strict)


def _paths(secrets: Named, keylog: Named, keytab: Named) -> tuple[str | None, list[str], list[str]]:
    return (
        None if secrets is None else os.fspath(secrets),
        [] if keylog is None else [os.fspath(keylog)],
        [] if keytab is None else [os.fspath(keytab)],
    )
