"""A rule of the user that fits a command."""

from msgspec import Struct


class SigmaHit(Struct, frozen=True, gc=False):
    """``rule`` is the rule's id (or its file's name), ``level`` Sigma's word, ``attack`` its ATT&CK technique ids.

    ``command``, ``shell`` and ``capture`` name the command; ``field`` is where the rule found its text: command line, script, decoded layer or input.
    """

    rule: str
    title: str
    level: str
    attack: tuple[str, ...]
    tags: tuple[str, ...]
    file: str
    command: str
    shell: str
    kind: str
    capture: int
    field: str
