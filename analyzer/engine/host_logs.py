"""Host logs joined to a finished run."""

from collections.abc import Sequence

from msgspec.structs import replace

from analyzer.engine.local import Run
from analyzer.errors import InputError
from analyzer.hostlogs.joining import joined
from analyzer.hostlogs.reading import read_logs
from analyzer.records.hostlogs import HostLogs
from analyzer.records.result import Result
from analyzer.settings import Limits


def with_host_logs(result: Result, paths: Sequence[str], limits: Limits) -> Result:
    """The result with what these files, and the files in these folders, hold of its connections, logons and shells. `InputError`: one cannot be opened."""
    ours = (result.evidence.connections[name] for name in result.evidence.winrm if name in result.evidence.connections)
    hosts = frozenset(end.host for one in ours for end in (one.client, one.server))
    try:
        read = read_logs(paths, limits, hosts)
    except OSError as error:
        msg = f"{error.filename}: {error.strerror}"
        raise InputError(msg) from error
    evidence = result.evidence
    logs = HostLogs(read.files, read.events, len(read.kept), joined(evidence, read.kept))
    return replace(result, evidence=replace(evidence, host_logs=logs, issues=(*evidence.issues, *read.issues)))


def with_logs(finished: Run, paths: Sequence[str], limits: Limits) -> Run:
    """A finished run with host logs."""
    return replace(finished, result=with_host_logs(finished.result, paths, limits))
