"""Files that were moved, out of the commands of the evidence."""

from analyzer.psrp.files import moved
from analyzer.records.evidence import Evidence
from analyzer.records.files import MovedFile


def files(evidence: Evidence) -> tuple[MovedFile, ...]:
    """The files in order of time."""
    return evidence.files or put_together(evidence)


def put_together(evidence: Evidence) -> tuple[MovedFile, ...]:
    """The files out of what commands sent and got."""
    return moved(evidence.commands)
