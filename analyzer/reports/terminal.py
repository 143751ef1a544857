"""The first screen of `analyze`: the diagnosis, the incidents, the proxies, the evidence, what of it could be read, and what to do next, in this order.

It answers what a reader asks: what is wrong, prove it, what do I change, what was looked at, can I trust it. It is 100 characters wide when it does not go to
a terminal; filters are never wrapped, because they are there to be pasted.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from analyzer.formats.text import visible
from analyzer.records.auth import Audience, Mechanism
from analyzer.records.evidence import Evidence, subject
from analyzer.records.finding import Finding, Severity
from analyzer.records.issues import KINDS
from analyzer.records.operations import CimOperation
from analyzer.records.result import Result
from analyzer.reports.advice import STYLES, setting_lines
from analyzer.reports.facts import Coverage, account, counted, counted_conversations, coverage, issue_counts
from analyzer.reports.lines import BLANK, Line, Span, fitted, line, paragraph
from analyzer.reports.naming import hosts_told
from analyzer.reports.next_steps import NOTHING, Asked, next_lines
from analyzer.reports.points import capture_points
from analyzer.reports.processes import logs_told
from analyzer.reports.proxies import proxy_lines
from analyzer.tables.findings import FindingRow, finding_rows
from analyzer.tables.packets import frame_filter, number_set, numbers_by_capture
from analyzer.tables.times import on_screen, seconds

_TO = {Audience.SERVER: "", Audience.PROXY: " to the proxy"}
_LEVEL_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
_EACH = ("capture.unreadable", "capture.passed-over")
"""Kinds of issues of which an example is not enough."""
_EACH_SHOWN = 12
_REASONS = 8
_NO_FINDING = (
    "Absence of a finding is not absence of activity: encrypted bodies, missing packets, and proxies whose other side was not captured "
    "all hide what a rule would need."
)
_NOTHING_TO_LOOK_AT = "No finding: there is no connection that a rule could look at."
_PACKETS_SHOWN = 160
"""Characters of a packet set on the screen; the tables have all of it."""


def overview(result: Result, rules: Sequence[str], width: int, *, full: bool = False, products: bool = False, asked: Asked = NOTHING) -> Iterator[Line]:
    """All sections. ``rules`` are the ids of the rules that ran; ``full`` shows every finding with its facts, and every packet number; ``products`` the
    settings of all products; ``asked`` is what the commands below *Next* are given."""
    yield from fitted(_sections(result, rules, width, asked, full=full, products=products), width)


def _sections(result: Result, rules: Sequence[str], width: int, asked: Asked, *, full: bool, products: bool) -> Iterator[Line]:
    yield from diagnosis_lines(result, width)
    if full or not result.incidents:
        yield from _findings(result, rules, width, full=full, products=products)
    else:
        from analyzer.reports.incidents import incident_lines

        yield from incident_lines(result, width, products=products)
    yield from proxy_lines(result, width, full=full)
    yield BLANK
    yield from evidence_lines(result, width, full=full)
    yield BLANK
    yield from coverage_lines(result, width)
    yield BLANK
    yield from next_lines(result, width, asked)


def diagnosis_lines(result: Result, width: int) -> Iterator[Line]:
    """What all of it comes to."""
    if result.diagnosis:
        yield line(Span("DIAGNOSIS", "bold"))
        for sentence in result.diagnosis:
            yield from paragraph(sentence, width, indent=2)
        yield BLANK


def _title(text: str, more: str = "") -> Line:
    return line(Span(text, "bold"), f"  {more}" if more else "")


def evidence_lines(result: Result, width: int, *, full: bool = False) -> Iterator[Line]:
    """The section *Evidence*: capture points, packets, time span, connections, logons."""
    evidence = result.evidence
    yield _title("EVIDENCE")
    yield from scope_lines(evidence, width)
    yield from capture_points(evidence, full=full)
    kept = len(evidence.connections) - len(evidence.winrm & evidence.connections.keys())
    if kept:
        without = "of HTTP without these schemes" if evidence.negotiate else "without WinRM, for the HTTP or authentication on it"
        yield line(f"  also kept: {counted(kept, 'connection')} {without}")
    told = hosts_told(evidence)
    if told:
        yield from paragraph(told, width, label="hosts: ", indent=2)
    if evidence.forwarding.deliveries:
        from analyzer.reports.forwarded import forwarding_told

        yield from paragraph(forwarding_told(evidence), width, label="event forwarding: ", indent=2)
    logged = logs_told(evidence)
    if logged:
        yield from paragraph(logged, width, label="host logs: ", indent=2)
    if counted_conversations(evidence):
        yield from paragraph(_logons(result), width, label="logons: ", indent=2)
    if evidence.story.clocks:
        from analyzer.reports.clocks import clock_lines

        yield from clock_lines(evidence, width)


def scope_lines(evidence: Evidence, width: int) -> Iterator[Line]:
    """What of the captures was asked for, and what follows from that."""
    if evidence.scope:
        left = sum(issue.code == "capture.outside-scope" and issue.detail.startswith("not read") for issue in evidence.issues)
        unread = f" {counted(left, 'file')} outside of it {'was' if left == 1 else 'were'} not read." if left else ""
        text = f"{'; '.join(evidence.scope)}. Nothing outside of it was looked at: what is said to be missing may be there.{unread}"
        yield from paragraph(text, width, label="scope: ", indent=2)


def _scheme(mechanism: Mechanism) -> str:
    return "unknown scheme" if mechanism is Mechanism.UNKNOWN else mechanism.shown


def _logons(result: Result) -> str:
    """By mechanism and outcome; a logon that both sides of a proxy show is one."""
    conversations = counted_conversations(result.evidence)
    logons = result.evidence.story.logons
    counts = Counter(f"{_scheme(one.mechanism)}{_TO[one.audience]} {one.outcome.value.replace('_', ' ')}" for one in logons or conversations)
    told = ", ".join(f"{number} {words}" for words, number in sorted(counts.items()))
    names = list(dict.fromkeys(account(one) for one in conversations if one.client.user))
    return told + (f"; as {', '.join(names[:8])}{' and others' if len(names) > 8 else ''}" if names else "")


def coverage_lines(result: Result, width: int) -> Iterator[Line]:
    """The section *Coverage*: what could be read, what not and why, what was odd."""
    covered = coverage(result.evidence)
    yield _title("COVERAGE", f"what of the {subject(result.evidence)} traffic could be read")
    bodies = covered.bodies
    with_content = sum(bodies.values()) - bodies["empty"]
    others = "of other applications" if result.evidence.negotiate else "not WinRM"
    yield from paragraph(
        f"{counted(with_content, 'message body', 'message bodies')} with content: {bodies['clear']} clear, {bodies['sealed']} encrypted by WinRM, "
        f"{bodies['tls']} inside TLS, {bodies['none']} {others}; {bodies['empty']} empty",
        width,
        indent=2,
    )
    if bodies["sealed"]:
        yield from paragraph(_opened(covered), width, indent=2)
    if result.evidence.keys:
        from analyzer.reports.given import used_lines

        yield from used_lines(result.evidence, width)
    if result.commands:
        yield from paragraph(
            f"{counted(len(result.commands), 'command')} in {counted(len(result.shells), 'shell')} could be read: see `winrm-analyzer transcript`",
            width,
            indent=2,
        )
    if result.evidence.operations:
        yield from paragraph(_operations(result.evidence.operations), width, indent=2)
    if covered.tls_connections:
        yield line(f"  {counted(covered.tls_connections, 'connection')} encrypted by TLS: only addresses, sizes and times can be seen")
    if covered.holes:
        yield line("  ", Span(f"{counted(covered.missing_bytes, 'byte')} not in the capture, in {counted(covered.holes, 'hole')}", "yellow"))
    if covered.incomplete:
        told = ", ".join(f"{number} {word.replace('_', ' ')}" for word, number in covered.incomplete.items())
        yield from paragraph(told, width, label="incomplete exchanges: ", indent=2)
    yield from _issues(result, width)
    if not (covered.holes or covered.incomplete or result.evidence.issues):
        yield line("  no packets are missing; no capture problems")


def _operations(operations: Sequence[CimOperation]) -> str:
    """``7 operations on 3 classes and resources could be read (Enumerate 4, Invoke 2, Put 1), 1 of them for a change: see ...``."""
    names = ", ".join(f"{name} {number:,}" for name, number in Counter(one.name for one in operations).most_common())
    about = len({(one.namespace, one.resource_uri) for one in operations})
    changes = sum(one.changes for one in operations)
    asked = f", {changes:,} of them for a change" if changes else ""
    return (
        f"{counted(len(operations), 'operation')} on {counted(about, 'class or resource', 'classes and resources')} could be read ({visible(names)}){asked}: "
        "see `winrm-analyzer transcript`"
    )


def _opened(covered: Coverage) -> str:
    r"""``61 of 70 encrypted bodies decrypted; 6 no key for CONTOSO\\admin (NTLM), 2 ...``."""
    closed = sorted(covered.closed.items(), key=lambda item: -item[1])
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in closed[:_REASONS])
    if len(closed) > _REASONS:
        reasons += f", and {sum(number for _, number in closed[_REASONS:]):,} for {len(closed) - _REASONS} other reasons like these (table messages)"
    return f"{covered.opened:,} of {covered.opened + sum(covered.closed.values()):,} encrypted bodies decrypted" + (f"; {reasons}" if reasons else "")


def _issues(result: Result, width: int) -> Iterator[Line]:
    counts = issue_counts(result.evidence.issues)
    for count in counts:
        if count.level == "note":
            continue
        yield line("  ", Span(f"{count.level}: {visible(count.code)}", _LEVEL_STYLES[count.level]), f"  {count.times:,} x" if count.times > 1 else "")
        kind = KINDS.get(count.code)
        if count.code in _EACH:
            yield from _each(result, count.code, width)
            continue
        told = f"{kind.means if kind else ''} {count.example.detail}".strip()
        yield from paragraph(told, width, indent=6)
    notes = [f"{visible(count.code)} {count.times:,} x" for count in counts if count.level == "note"]
    if notes:
        yield from paragraph(", ".join(notes), width, label="notes: ", indent=2, style="dim")


def _each(result: Result, code: str, width: int) -> Iterator[Line]:
    """What could not be read: a line for each file, or kind of files."""
    found = [issue for issue in result.evidence.issues if issue.code == code]
    for issue in found[:_EACH_SHOWN]:
        name = "" if issue.capture is None else f"{visible(result.evidence.captures[issue.capture].name)}: "
        yield from paragraph(f"not read: {name}{issue.detail}", width, indent=6)
    if len(found) > _EACH_SHOWN:
        yield line(f"      and {len(found) - _EACH_SHOWN:,} more (winrm-analyzer show issues)")


def finding_lines(result: Result, rules: Sequence[str], width: int, *, full: bool = False, products: bool = False) -> Iterator[Line]:
    """The section *Findings*: each with the facts and all that is needed to check it by hand; said plainly when there is none."""
    yield from fitted(_findings(result, rules, width, full=full, products=products), width)


def _findings(result: Result, rules: Sequence[str], width: int, *, full: bool, products: bool) -> Iterator[Line]:
    rows = list(finding_rows(result))
    counts = Counter(row.finding.severity for row in rows)
    yield _title("FINDINGS", ", ".join(f"{counts[level]} {level.value}" for level in reversed(Severity) if counts[level]))
    for row in rows:
        yield from _finding(row, _from(row.finding, result), width, full=full, products=products)
        yield BLANK
    if not rows:
        families = sorted({rule.partition(".")[0] for rule in rules})
        looked = f"No finding. {counted(len(rules), 'rule')} looked at the evidence: {', '.join(families) or 'none'}."
        yield from paragraph(looked if result.evidence.connections else _NOTHING_TO_LOOK_AT, width, indent=2)
        yield from paragraph(_NO_FINDING, width, indent=2)
        yield BLANK


def _from(finding: Finding, result: Result) -> str | None:
    """Where it comes from: the first client, and how many others asked the same place."""
    known = result.evidence.connections
    own = [known[identity] for identity in finding.connections if identity in known]
    hosts = {one.client.host for one in own if str(one.server) == finding.destination}
    if finding.source not in hosts or len(hosts) == 1:
        return finding.source
    return f"{finding.source} and {counted(len(hosts) - 1, 'more client')}"


def _finding(row: FindingRow, source: str | None, width: int, *, full: bool, products: bool) -> Iterator[Line]:
    finding = row.finding
    yield line("  ", Span(row.id, "bold"), "  ", Span(finding.severity.value.upper(), STYLES[finding.severity]), "  ", Span(visible(finding.title), "bold"))
    yield line(f"      rule     {visible(finding.rule)}, confidence {finding.confidence:.2f}, about {visible(finding.subject)}")
    span = seconds(finding.last_ns - finding.first_ns)
    yield line(f"      time     {on_screen(finding.first_ns)}", f", lasting {span:,.3f} s" if span else "")
    ends = " → ".join(end for end in (source, finding.destination) if end)
    who = ", ".join(part for part in (finding.user, ends) if part)
    if who:
        yield from paragraph(who, width, label="who      ", indent=6)
    yield from _where(row, width, full=full)
    yield from paragraph(finding.why, width, label="why      ", indent=6)
    yield from advice_lines(finding, width, products=products)
    quoted = f': "{finding.reference_text}"' if finding.reference_text else ""
    yield from paragraph(f"{finding.reference}{quoted}", width, label="see      ", indent=6, style="dim")


def advice_lines(finding: Finding, width: int, *, products: bool) -> Iterator[Line]:
    """The advice; the settings of all products when they are asked for, else where they are, unless one is in the advice already."""
    yield from paragraph(finding.advice, width, label="to do    ", indent=6)
    yield from setting_lines(finding, width, products=products)


def _where(row: FindingRow, width: int, *, full: bool) -> Iterator[Line]:
    for ordinal, numbers in numbers_by_capture(row.finding.packets).items():
        told = f"{_numbers(numbers, None if full else _PACKETS_SHOWN)}  of {visible(row.captures[ordinal].name)}"
        yield from paragraph(told, width, label="packets  ", indent=6, limit=len(told))
        yield line("      filter   ", Span(frame_filter(row.finding.packets, ordinal) or "", "green", whole=True))


def _numbers(numbers: Sequence[int], limit: int | None) -> str:
    shown = number_set(numbers)
    if limit is None or len(shown) <= limit:
        return shown
    return f"{shown[:limit].rpartition(',')[0]} and more, {len(numbers):,} named"
