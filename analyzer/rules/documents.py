"""Texts about rules and issues, for `explain`."""

from difflib import get_close_matches

from analyzer.errors import UsageError
from analyzer.records.issues import KINDS
from analyzer.rules.catalogue import rules


def explanation(name: str) -> str:
    """The document of a rule, or what an issue's code means. `UsageError` names what comes near, when there is neither."""
    for rule in rules():
        if rule.id == name:
            return f"{rule.id} ({rule.severity})\n\n{rule.document.strip()}\n"
    if name in KINDS:
        kind = KINDS[name]
        return f"{kind.code} (issue, {kind.level})\n\n{kind.means}\n"
    near = get_close_matches(name, [rule.id for rule in rules()] + list(KINDS), n=3, cutoff=0.4)
    msg = f"there is no rule or issue {name!r}" + (f"; did you mean {', '.join(near)}?" if near else "; `winrm-analyzer rules` lists the rules")
    raise UsageError(msg)
