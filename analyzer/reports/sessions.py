"""What is known of a shell itself, in the words of a transcript: its session, what was done to it as a whole, and where errors happened."""

from collections.abc import Iterable, Iterator

from analyzer.records.sessions import ShellEvent, ShellFact, said
from analyzer.records.wsman import Output, Shell
from analyzer.tables.errors import Error, error
from analyzer.tables.session import configuration, duration_s, version

EVENTS = {
    **dict.fromkeys(("create", "connect", "disconnect", "reconnect", "delete", "state", "keys"), "SESSION"),
    **dict.fromkeys(("host call", "host answer"), "HOST"),
}
"""What happened to the label before it."""
_DONE = {
    "create": "created the shell",
    "connect": "connected to the shell",
    "disconnect": "disconnected from the shell",
    "reconnect": "reconnected to the shell",
    "delete": "deleted the shell",
}
_ASKED = {"create": "create the shell", "connect": "connect to the shell", "disconnect": "disconnect", "reconnect": "reconnect", "delete": "delete the shell"}
_USUAL = "Microsoft.PowerShell"


def session_lines(shell: Shell) -> Iterator[str]:
    """What both sides say of it, each with who says so."""
    yield from fact_lines(shell.facts, configuration(shell))


def fact_lines(facts: tuple[ShellFact, ...], own: str | None) -> Iterator[str]:
    """The same of properties, and of the name of the session configuration."""
    if own is not None and own.casefold() != _USUAL.casefold():
        yield f"session configuration {own}: a custom or restricted endpoint, not {_USUAL}"
    server = _words(facts, (("owner", "Owner"), ("process", "ProcessId"), ("client address", "ClientIP"), ("state", "State")), by_client=False)
    if server:
        yield f"the server says: {server}"
    both = [("idle timeout", "IdleTimeOut"), ("lifetime", "Lifetime"), ("folder", "WorkingDirectory"), ("environment", "Environment"), ("name", "Name")]
    client = _words(facts, both, by_client=True)
    if client:
        yield f"the client asked for: {client}"
    versions = [f"{side} {found}" for side, by_client in (("client", True), ("server", False)) if (found := version(facts, by_client=by_client)) is not None]
    if versions:
        yield f"PowerShell as each side says: {', '.join(versions)}"


def _words(facts: tuple[ShellFact, ...], names: Iterable[tuple[str, str]], *, by_client: bool) -> str:
    found = []
    for word, name in names:
        value = said(facts, name, by_client=by_client)
        if value is not None:
            seconds = duration_s(value) if name in ("IdleTimeOut", "Lifetime") else None
            found.append(f"{word} {value}" if seconds is None else f"{word} {seconds:g} s")
    return ", ".join(found)


def event_words(event: ShellEvent) -> str:
    """One sentence about it."""
    if event.what not in _DONE:
        if event.what == "keys":
            return f"Key exchange for SecureStrings: {event.text}."
        return f"The runspace pool is {event.text}" if event.what == "state" else event.text
    who = f"{event.client}{f' ({event.asked_as})' if event.asked_as else ''}"
    about = f", for command {event.command}" if event.command else ""
    if event.outcome == "done":
        return f"{who} {_DONE[event.what]}{about}."
    rest = "the server refused" if event.outcome == "refused" else "its answer is not in the capture"
    return f"{who} asked to {_ASKED[event.what]}{about}; {rest}."


def error_words(outputs: Iterable[Output]) -> Iterator[str]:
    """Category, target and position of error records."""
    yield from place_words(map(error, outputs))


def place_words(errors: Iterable[Error]) -> Iterator[str]:
    """The same, as far as each of them says so."""
    for found in errors:
        words = [found.category, f"target {found.target}" if found.target else None, f"at {found.position}" if found.position else None]
        if any(words):
            yield ", ".join(word for word in words if word)
