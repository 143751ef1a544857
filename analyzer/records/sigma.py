"""What fits commands: rules of the user, and what our own rules look for in them."""

from collections.abc import Mapping

from msgspec import Struct

from analyzer.records.finding import Severity


class SigmaHit(Struct, frozen=True, gc=False):
    """``rule`` is the rule's id (or its file's name), ``level`` Sigma's word, ``attack`` its ATT&CK technique ids.

    ``command``, ``shell``, ``server`` and ``capture`` name the command (two servers may have shells and commands of
    one id, since clients may choose it); ``field`` is where the rule found its text: command line, script, decoded layer or input.
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
    server: str = ""


class SigmaEventHit(Struct, frozen=True, gc=False):
    """The same for an event: one that was forwarded, or one that the server would log of an operation. ``subject`` is the id of the forwarded event or of the
    operation; ``channel`` and ``number`` say which event it is, or would be."""

    rule: str
    title: str
    level: str
    attack: tuple[str, ...]
    tags: tuple[str, ...]
    file: str
    subject: str
    forwarded: bool
    channel: str
    number: int


class Detection(Struct, frozen=True, gc=False):
    """What a rule looks for in a line of what was run: ``selection`` is a detection as Sigma writes it, with its condition, in lower case.

    ``words``: one of them stands in every line that fits, in lower case. ``means``: what such a line does, for a sentence that begins with "It" or a title.
    """

    name: str
    words: tuple[str, ...]
    selection: Mapping[str, object]
    means: str
    severity: Severity
    attack: tuple[str, ...]


class Sighting(Struct, frozen=True, gc=False):
    """A line that fits a detection of ``rule``. ``field``: script, command line, decoded layer or input; ``line`` is what stands there, cut where it is long.

    ``packets`` brought the line: those of the command, or of the piece of input. ``plain`` is false where the words stand in it only after escape characters
    and pieces of strings were joined.
    """

    rule: str
    detection: Detection
    command: str
    shell: str
    kind: str
    capture: int
    field: str
    line: str
    packets: tuple[int, ...]
    plain: bool = True
    server: str = ""
