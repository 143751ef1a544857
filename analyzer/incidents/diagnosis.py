"""The diagnosis: at most four plain sentences. Who cannot do what; where it breaks, and what proves it; what else; what to change or to record next.

Each sentence is made of counts and names that records hold. When nothing is wrong it says what was seen, and what could not be.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from analyzer.incidents.sums import ACCEPTED, ANSWERED, LOGON_REFUSED, NOT_FORWARDED, REFUSED, Sums
from analyzer.records.evidence import nothing_in, tls_told
from analyzer.records.ids import key_capture, key_number
from analyzer.records.incident import Incident
from analyzer.records.story import Failure, Outcome, Wanted

_MOST = 4
_NAMES = 3
_TITLES = 2


def diagnosis(seen: Sums, incidents: Sequence[Incident], exposes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The sentences. ``exposes``: beginnings of rules that do not tell why something fails."""
    told = [one for one in incidents if not one.background]
    failures = seen.failures
    if not told and not failures:
        return tuple([*_ran(seen), _seen(seen), *_limits(seen)][:_MOST])
    made = [*_failed(seen, failures)] or [_worked(seen)]
    if not told:
        return tuple([*made, f"No rule tells why. Read {_log(seen)} of the server for the same time."][:_MOST])
    causes = [one for one in told if not one.rule.startswith(exposes)] if failures and exposes else []
    first = _root((causes or told)[0], told)
    made.append(f"{_headline(seen, first)}.")
    worst = (causes or told)[0]
    if worst is not first and len(made) < _MOST - 1:
        made.append(f"Its consequence: {worst.title.rstrip('.')} ({worst.severity.value}).")
    if len(made) < _MOST - 1:
        made.extend(_ran(seen))
    rest = _distinct(one for one in told if one is not first and one.explained_by is None and one.title != first.title)
    change = f"To do: {first.change}."
    if len(made) < _MOST - 1 and rest:
        made.append(_others(rest))
    return (*made[: _MOST - 1], change)


def _root(incident: Incident, told: Sequence[Incident]) -> Incident:
    """What it follows from, as far as that leads."""
    by_id = {one.id: one for one in told}
    seen = {incident.id}
    while incident.explained_by in by_id and incident.explained_by not in seen:
        incident = by_id[incident.explained_by]
        seen.add(incident.id)
    return incident


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _packet(seen: Sums, key: int) -> str:
    number = f"packet {key_number(key):,}".replace(",", "")
    return f"{number} of {seen.captures[key_capture(key)].name}" if len(seen.captures) > 1 else number


def _of(number: int, whole: int, one: str) -> str:
    """``the only client``, ``1 of 3 clients``, ``all 3 clients``."""
    if whole == 1:
        return f"the only {one}"
    return f"all {whole:,} {one}s" if number == whole else f"{number:,} of {whole:,} {one}s"


def _failed(seen: Sums, failures: Sequence[Failure]) -> Iterator[str]:
    """Who cannot do what: the most basic thing first."""
    for wanted in Wanted:
        own = [one for one in failures if one.wanted is wanted]
        if own:
            yield _sentence(seen, wanted, own)
            return


def _sentence(seen: Sums, wanted: Wanted, own: Sequence[Failure]) -> str:
    who = {one.client for one in own if one.client is not None}
    named = list(dict.fromkeys(one.user for one in own if one.user))
    subject = _subject(len(who), len(seen.clients | who), sorted(who))
    where = f" (first in {_packet(seen, own[0].packet)})" if own[0].packet is not None else ""
    if wanted is Wanted.CONNECTION:
        servers = {seen.reached[one.connection] for one in own}
        to = next(iter(servers)) if len(servers) == 1 else f"{len(servers):,} servers"
        return f"{subject} could not connect to {to}: {_counted(len(own), 'attempt')} failed{where}."
    if wanted is Wanted.TLS:
        return f"{subject} could not set up TLS: {_counted(len(own), 'connection')} ended in the handshake{where}."
    if wanted is Wanted.LOGON:
        account = f" as {named[0]}" if len(named) == 1 else f" with {len(named):,} accounts" if named else ""
        return f"{subject} could not log on{account}: {_counted(len(own), 'logon was', 'logons were')} refused{where}."
    answers = Counter(_answer(one) for one in own)
    word, count = answers.most_common(1)[0]
    return f"The last request of {_lower(subject)} {word}{f' ({count:,} times)' if 1 < count < len(own) else ''}{where}."


def _subject(number: int, whole: int, hosts: Sequence[str]) -> str:
    if not number:
        return "A client whose address is not in the capture"
    if number <= _NAMES - 1:
        told = " and ".join(hosts)
        return f"Client{'s' if number > 1 else ''} {told}"
    return f"{number:,} of {whole:,} clients"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _answer(failure: Failure) -> str:
    match failure.outcome:
        case Outcome.REFUSED:
            return "was answered 401, and no logon followed"
        case Outcome.CUT:
            return "got no answer: the connection was closed"
        case Outcome.RESET:
            return "got no answer: the connection was reset"
        case Outcome.UNANSWERED:
            return "was never answered"
        case Outcome.NOT_FORWARDED:
            return "was not forwarded: the proxy asked for credentials (407)"
        case Outcome.ERROR_BY_PROXY:
            return f"failed: the proxy itself answered {failure.status}"
        case Outcome.FAULT:
            return f"failed with status {failure.status}{f' and fault {failure.code}' if failure.code else ''}"
        case _:
            return f"failed with status {failure.status}"


def _headline(seen: Sums, incident: Incident) -> str:
    """Title, whom it hits, and the packet that shows it."""
    hit = []
    if incident.clients and incident.clients_total > 1:
        hit.append(f"{incident.clients:,} of {incident.clients_total:,} clients")
    if incident.packets:
        hit.append(_packet(seen, incident.packets[0]))
    return f"{incident.title.rstrip('.')}{f' ({chr(44).join(hit).replace(chr(44), chr(44) + chr(32))})' if hit else ''}"


def _distinct(incidents: Iterable[Incident]) -> list[Incident]:
    """Each title once."""
    return list({one.title: one for one in incidents}.values())


def _others(rest: Sequence[Incident]) -> str:
    titles = [f"{one.title.rstrip('.')} ({one.severity.value})" for one in rest[:_TITLES]]
    more = f"; and {_counted(len(rest) - _TITLES, 'more problem')}" if len(rest) > _TITLES else ""
    return f"Also found: {'; '.join(titles)}{more}."


def _worked(seen: Sums) -> str:
    return f"{_counts(seen)}."


def _counts(seen: Sums) -> str:
    """``2 clients, 3 logons accepted, 14 requests answered``."""
    logons, outcomes = seen.logons, seen.outcomes
    parts = [_counted(len(seen.clients), "client")] if seen.clients else []
    if accepted := logons.get(ACCEPTED):
        parts.append(_counted(accepted, "logon accepted", "logons accepted"))
    if refused := logons.get(LOGON_REFUSED):
        parts.append(_counted(refused, "logon refused", "logons refused"))
    answered = outcomes.get(ANSWERED, 0)
    if answered:
        parts.append(_counted(answered, "request answered", "requests answered"))
    if seen.commands:
        parts.append(_counted(seen.commands, "command could be read", "commands could be read"))
    unmet = sum(outcomes.get(one, 0) for one in (REFUSED, NOT_FORWARDED))
    if unmet and not answered:
        parts.append(f"no request answered but with a demand to log on ({unmet:,} times)")
    if not outcomes:
        parts.append(_counted(seen.winrm, f"{'web application' if seen.negotiate else 'WinRM'} connection"))
    return ", ".join(parts)


def _log(seen: Sums) -> str:
    return "the application's own log" if seen.negotiate else "the event log Microsoft-Windows-WinRM/Operational"


def _ran(seen: Sums) -> Iterator[str]:
    """Who ran how many commands where: the account and server with the most; what was run stands in the transcript, where passwords in it are masked."""
    if not seen.ran:
        return
    (user, server), most = max(seen.ran.items(), key=lambda item: item[1].commands)
    number, encoded = most.commands, most.encoded
    where = f" on {server}" if server else ""
    coded = f", {encoded:,} of them encoded" if encoded and number > 1 else " that was encoded" if encoded else ""
    others = sum(one.commands for one in seen.ran.values()) - number
    more = f"; other accounts or servers: {_counted(others, 'command')}" if others else ""
    at = f" (first in {_packet(seen, most.first)})" if most.first is not None and not others else ""
    yield f"{user} ran {_counted(number, 'command')}{where}{coded}{at}{more}."


def _nothing(seen: Sums) -> tuple[str, ...]:
    return nothing_in(seen.captures, seen.kept_tls, part=bool(seen.scope), negotiate=seen.negotiate)


def _seen(seen: Sums) -> str:
    if not seen.winrm:
        return _nothing(seen)[0]
    hidden = " in what could be read" if seen.closed or seen.opaque else ""
    judged = f"no failure found{hidden}; whether what was run was allowed cannot be told from packets" if seen.commands else f"no problem found{hidden}"
    return f"{_counts(seen)}; {judged}."


def _limits(seen: Sums) -> Iterator[str]:
    """What could not be seen, and so could hide a problem."""
    if seen.scope:
        yield f"Only a part of the captures was looked at: {'; '.join(seen.scope)}. What lies outside of it cannot be told."
        if not seen.winrm:
            yield from tls_told(seen.captures, seen.kept_tls)
            return
    if not seen.winrm:
        yield from _nothing(seen)[1:]
        return
    yield from _encrypted(seen)
    if seen.one_sided:
        yield "Only one side of a proxy is in the capture, so what the proxy did with the requests was not tested."
    if seen.missing:
        yield f"{_counted(seen.missing, 'byte')} of these connections are not in the capture."


def _encrypted(seen: Sums) -> Iterator[str]:
    closed = seen.closed
    if closed:
        share = (
            "The only message body is"
            if seen.bodies == 1
            else f"All {closed:,} message bodies are"
            if closed == seen.bodies
            else f"{closed:,} of {seen.bodies:,} message bodies are"
        )
        among = f", {_counted(seen.errors, 'error')} (500) among them" if seen.errors else ""
        yield f"{share} encrypted and could not be read{among}; keys or passwords (--secrets) would show more."
    if seen.opaque:
        are = "is" if seen.opaque == 1 else "are"
        yield f"{_counted(seen.opaque, 'connection')} {are} encrypted by TLS: only addresses, sizes and times could be seen."
