"""The diagnosis: at most four plain sentences. Who cannot do what; where it breaks, and what proves it; what else; what to change or to record next.

Each sentence is made of counts and names that records hold. When nothing is wrong it says what was seen, and what could not be.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from analyzer.incidents.clients import Clients, clients
from analyzer.records.auth import Audience
from analyzer.records.evidence import Evidence, nothing, subject, tls_words
from analyzer.records.ids import key_capture, key_number
from analyzer.records.incident import Incident
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.records.story import Failure, Outcome, Result, Wanted
from analyzer.records.tls import Reached

_FAULT = 500
_MOST = 4
_NAMES = 3
_TITLES = 2


def diagnosis(evidence: Evidence, incidents: Sequence[Incident], exposes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The sentences. ``exposes``: beginnings of rules that do not tell why something fails."""
    told = [one for one in incidents if not one.background]
    who = clients(evidence)
    failures = evidence.story.failures
    if not told and not failures:
        return tuple([*_ran(evidence), _seen(evidence, who), *_limits(evidence)][:_MOST])
    made = [*_failed(evidence, who, failures)] or [_worked(evidence, who)]
    if not told:
        return tuple([*made, f"No rule tells why. Read {_log(evidence)} of the server for the same time."][:_MOST])
    causes = [one for one in told if not one.rule.startswith(exposes)] if failures and exposes else []
    first = _root((causes or told)[0], told)
    made.append(f"{_headline(evidence, first)}.")
    worst = (causes or told)[0]
    if worst is not first and len(made) < _MOST - 1:
        made.append(f"Its consequence: {worst.title.rstrip('.')} ({worst.severity.value}).")
    if len(made) < _MOST - 1:
        made.extend(_ran(evidence))
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


def _packet(evidence: Evidence, key: int) -> str:
    number = f"packet {key_number(key):,}".replace(",", "")
    return f"{number} of {evidence.captures[key_capture(key)].name}" if len(evidence.captures) > 1 else number


def _of(number: int, whole: int, one: str) -> str:
    """``the only client``, ``1 of 3 clients``, ``all 3 clients``."""
    if whole == 1:
        return f"the only {one}"
    return f"all {whole:,} {one}s" if number == whole else f"{number:,} of {whole:,} {one}s"


def _failed(evidence: Evidence, clients: Clients, failures: Sequence[Failure]) -> Iterator[str]:
    """Who cannot do what: the most basic thing first."""
    for wanted in Wanted:
        own = [one for one in failures if one.wanted is wanted]
        if own:
            yield _sentence(evidence, clients, wanted, own)
            return


def _sentence(evidence: Evidence, clients: Clients, wanted: Wanted, own: Sequence[Failure]) -> str:
    who = {one.client for one in own if one.client is not None}
    named = list(dict.fromkeys(one.user for one in own if one.user))
    subject = _subject(len(who), len(clients.all | who), sorted(who))
    where = f" (first in {_packet(evidence, own[0].packet)})" if own[0].packet is not None else ""
    if wanted is Wanted.CONNECTION:
        servers = {str(evidence.connections[one.connection].server.host) for one in own}
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


def _headline(evidence: Evidence, incident: Incident) -> str:
    """Title, whom it hits, and the packet that shows it."""
    hit = []
    if incident.clients and incident.clients_total > 1:
        hit.append(f"{incident.clients:,} of {incident.clients_total:,} clients")
    if incident.packets:
        hit.append(_packet(evidence, incident.packets[0]))
    return f"{incident.title.rstrip('.')}{f' ({chr(44).join(hit).replace(chr(44), chr(44) + chr(32))})' if hit else ''}"


def _distinct(incidents: Iterable[Incident]) -> list[Incident]:
    """Each title once."""
    return list({one.title: one for one in incidents}.values())


def _others(rest: Sequence[Incident]) -> str:
    titles = [f"{one.title.rstrip('.')} ({one.severity.value})" for one in rest[:_TITLES]]
    more = f"; and {_counted(len(rest) - _TITLES, 'more problem')}" if len(rest) > _TITLES else ""
    return f"Also found: {'; '.join(titles)}{more}."


def _worked(evidence: Evidence, clients: Clients) -> str:
    return f"{_counts(evidence, clients)}."


def _counts(evidence: Evidence, clients: Clients) -> str:
    """``2 clients, 3 logons accepted, 14 requests answered``."""
    logons = Counter(one.outcome for one in evidence.story.logons if one.audience is Audience.SERVER)
    outcomes = Counter(fate.outcome for fate in evidence.story.fates.values())
    parts = [_counted(len(clients.all), "client")] if clients.all else []
    if logons[Result.ACCEPTED]:
        parts.append(_counted(logons[Result.ACCEPTED], "logon accepted", "logons accepted"))
    if logons[Result.REFUSED]:
        parts.append(_counted(logons[Result.REFUSED], "logon refused", "logons refused"))
    if outcomes[Outcome.ANSWERED]:
        parts.append(_counted(outcomes[Outcome.ANSWERED], "request answered", "requests answered"))
    if evidence.commands:
        parts.append(_counted(len(evidence.commands), "command could be read", "commands could be read"))
    unmet = sum(outcomes[one] for one in (Outcome.REFUSED, Outcome.NOT_FORWARDED))
    if unmet and not outcomes[Outcome.ANSWERED]:
        parts.append(f"no request answered but with a demand to log on ({unmet:,} times)")
    if not outcomes:
        parts.append(_counted(len(evidence.winrm), f"{subject(evidence)} connection"))
    return ", ".join(parts)


def _log(evidence: Evidence) -> str:
    return "the application's own log" if evidence.negotiate else "the event log Microsoft-Windows-WinRM/Operational"


def _ran(evidence: Evidence) -> Iterator[str]:
    """Who ran how many commands where: the account and server with the most; what was run stands in the transcript, where passwords in it are masked."""
    own = [one for one in evidence.commands if one.state != "refused"]
    if not own:
        return
    by = Counter((one.asked_as or one.user or "An account that is not visible", one.server) for one in own)
    (user, server), number = by.most_common(1)[0]
    encoded = sum(one.decoded is not None for one in own if (one.asked_as or one.user) == user and one.server == server)
    where = f" on {server}" if server else ""
    coded = f", {encoded:,} of them encoded" if encoded and number > 1 else " that was encoded" if encoded else ""
    others = len(own) - number
    more = f"; other accounts or servers: {_counted(others, 'command')}" if others else ""
    first = next((one.packets[0] for one in own if one.packets), None)
    at = f" (first in {_packet(evidence, first)})" if first is not None and not others else ""
    yield f"{user} ran {_counted(number, 'command')}{where}{coded}{at}{more}."


def _seen(evidence: Evidence, clients: Clients) -> str:
    if not evidence.winrm:
        return nothing(evidence)[0]
    hidden = " in what could be read" if _encrypted(evidence) else ""
    judged = f"no failure found{hidden}; whether what was run was allowed cannot be told from packets" if evidence.commands else f"no problem found{hidden}"
    return f"{_counts(evidence, clients)}; {judged}."


def _limits(evidence: Evidence) -> Iterator[str]:
    """What could not be seen, and so could hide a problem."""
    if evidence.scope:
        yield f"Only a part of the captures was looked at: {'; '.join(evidence.scope)}. What lies outside of it cannot be told."
        if not evidence.winrm:
            yield from tls_words(evidence)
            return
    if not evidence.winrm:
        yield from nothing(evidence)[1:]
        return
    yield from _encrypted(evidence)
    routed = {identity for route in evidence.routes for identity in (route.client_connection, *route.upstream_connections)}
    if any(evidence.roles.get(identity) in (Role.CLIENT_LEG, Role.UPSTREAM_LEG) for identity in evidence.winrm - routed):
        yield "Only one side of a proxy is in the capture, so what the proxy did with the requests was not tested."
    own = [evidence.connections[identity] for identity in evidence.winrm]
    missing = sum(gap.size for one in own for stream in (one.to_server, one.to_client) for gap in stream.gaps)
    if missing:
        yield f"{_counted(missing, 'byte')} of these connections are not in the capture."


def _encrypted(evidence: Evidence) -> tuple[str, ...]:
    return evidence.index.once("encrypted", lambda: tuple(_not_read(evidence)))


def _not_read(evidence: Evidence) -> Iterator[str]:
    asked = (evidence.winrm_exchanges & evidence.exchanges.keys()) - evidence.far.keys()  # each once, as the client made it
    own = [one for one in evidence.messages.values() if one.exchange in asked and one.protection is not Protection.EMPTY]
    sealed = [one for one in own if one.protection is Protection.SEALED and not one.opened]
    closed, errors = len(sealed), sum(_is_error(evidence, one) for one in sealed)
    opaque = sum(
        one.protocol == "tls" and not one.tls_opened and (one.tls is None or one.tls.reached in (Reached.COMPLETED, Reached.APPLICATION_DATA))
        for one in (evidence.connections[identity] for identity in evidence.winrm)
    )
    if closed:
        share = (
            "The only message body is"
            if len(own) == 1
            else f"All {closed:,} message bodies are"
            if closed == len(own)
            else f"{closed:,} of {len(own):,} message bodies are"
        )
        among = f", {_counted(errors, 'error')} (500) among them" if errors else ""
        yield f"{share} encrypted and could not be read{among}; keys or passwords (--secrets) would show more."
    if opaque:
        yield f"{_counted(opaque, 'connection')} {'is' if opaque == 1 else 'are'} encrypted by TLS: only addresses, sizes and times could be seen."


def _is_error(evidence: Evidence, message: Message) -> bool:
    """The response with which WinRM reports a fault: a time-out that is normal, or a failure."""
    answer = evidence.exchanges[message.exchange].response
    return not message.from_client and not isinstance(answer, Absent) and answer.status == _FAULT
