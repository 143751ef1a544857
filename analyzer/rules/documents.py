"""Texts about rules, issues and codes, for `explain`, and docs/troubleshooting.md's table of codes."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from analyzer.codes.table import SOURCES, WORDS, Code, codes, looked_up, symbols
from analyzer.errors import UsageError
from analyzer.records.finding import ADDRESSES
from analyzer.records.issues import KINDS
from analyzer.rules.catalogue import Rule, rules

_BY_KIND = {
    "access": "wsman.access-denied",
    "gone": "wsman.shell-gone",
    "policy": "wsman.refused-by-policy",
    "quota": "wsman.quota",
    "size": "wsman.envelope-size",
    "target": "wsman.no-such-resource",
    "time": "wsman.time-limit",
    "unsupported": "wsman.unsupported",
}
_BY_STATUS = {
    301: "http.redirect",
    302: "http.redirect",
    307: "http.redirect",
    308: "http.redirect",
    400: "http.request-header-too-long, http.unknown-host-name, http.encrypted-body-refused, http.refused-request",
    401: "auth.credentials-refused, auth.loop",
    403: "http.forbidden, http.policy-block",
    404: "http.path-not-found",
    411: "http.content-length-dropped, http.length-required",
    413: "http.request-too-large",
    415: "http.content-type-changed, http.refused-request",
    431: "http.request-header-too-long",
    500: "wsman.encrypted-errors, wsman.request-failed",
    502: "http.gateway-error, http.gateway-timeout",
    503: "http.service-unavailable, http.gateway-error",
    504: "http.gateway-timeout, http.gateway-error",
}
_OF_BOTH = (32, 33, 37, 60)
"""Kerberos errors that servers and KDCs send."""
_HEADINGS = {
    "winrm": "Errors of WinRM",
    "win32": "Errors of Windows",
    "hresult": "Errors of Windows as HRESULT",
    "wmi": "Errors of WMI",
    "ntstatus": "NTSTATUS",
    "kerberos": "Errors of Kerberos",
    "http": "HTTP statuses",
}
_OFF_THE_PAGE = frozenset({"client", "config"})
"""Kinds of errors that are raised before anything is sent: `explain` knows them, the page leaves them out."""


def explanation(name: str, own: Sequence[Rule] = ()) -> str:
    """The document of a rule (``own``: the user's), what an issue's code means, or what an error code means. `UsageError` names what comes near."""
    for rule in (*rules(), *own):
        if rule.id == name:
            return f"{rule.id} ({rule.severity})\n\n{document(rule)}\n"
    if name in KINDS:
        kind = KINDS[name]
        return f"{kind.code} (issue, {kind.level})\n\n{kind.means}\n"
    found = looked_up(name)
    if found:
        return "\n".join(map(_code, found))
    near = get_close_matches(name, [rule.id for rule in (*rules(), *own)] + list(KINDS), n=3, cutoff=0.4) or _near_symbols(name)
    msg = f"there is no rule, issue or error code {name!r}" + (f"; did you mean {', '.join(near)}?" if near else "; `winrm-analyzer rules` lists the rules")
    raise UsageError(msg)


def document(rule: Rule) -> str:
    """What a rule says of itself, with its thresholds as they are unless a configuration sets them."""
    parts = [rule.document.strip()]
    parts += [f"    {title}: {address}" for title, address in ADDRESSES.items() if title in rule.document]
    if rule.params:
        parts.append(f'Thresholds, to be set in [rules."{rule.id}"] of the file for --config')
        parts += [f"    - {param.name} = {param.default:g} ({param.unit}): {param.means}." for param in rule.params]
    return "\n".join(parts)


def _near_symbols(name: str) -> list[str]:
    return get_close_matches(name.upper(), symbols(), n=3, cutoff=0.6)


def _code(code: Code) -> str:
    """One code, for reading."""
    told = _rules(code)
    lines = [f"{_title(code)} ({WORDS[code.space]})", "", code.meaning, "", f"What to do: {code.remedy}"]
    if told:
        lines.append(f"Rules: {told}")
    return "\n".join([*lines, f"Source: {code.source}", ""])


def _title(code: Code) -> str:
    if code.space == "http":
        return f"{code.number} {code.symbol}"
    if code.space == "kerberos":
        return f"{code.symbol}, {code.number}"
    return f"{code.symbol}, {code.hex}, {code.number}"


def _rules(code: Code) -> str | None:
    if code.space == "http":
        return _BY_STATUS.get(code.number, "http.refused-request")
    if code.space == "kerberos":
        return None if code.kind == "benign" else _kerberos_rules(code)
    return "auth.credssp-refused" if code.space == "ntstatus" else _BY_KIND.get(code.kind)


def _kerberos_rules(code: Code) -> str:
    if code.number in _OF_BOTH:
        return "auth.kerberos-error, auth.kdc-error"
    return "auth.kdc-error" if code.symbol.startswith("KDC_") else "auth.kerberos-error"


def code_book() -> str:
    """The table of codes of docs/troubleshooting.md: those that travel over the network, by the document that defines them."""
    return "\n".join(line for space in SOURCES for line in _section(space, [code for code in codes() if code.space == space and _shown(code)]))


def _shown(code: Code) -> bool:
    return code.kind not in _OFF_THE_PAGE and not code.meaning.startswith("Not used")


def _section(space: str, found: Iterable[Code]) -> Iterator[str]:
    yield f"### {_HEADINGS[space]}: {SOURCES[space]}"
    yield ""
    yield "| code | name | meaning | what to do |"
    yield "|---|---|---|---|"
    for code in found:
        number = str(code.number) if code.space in ("http", "kerberos") else f"{code.hex}, {code.number}"
        yield f"| {number} | {_cell(code.symbol)} | {_cell(code.meaning)} | {_cell(code.remedy)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
