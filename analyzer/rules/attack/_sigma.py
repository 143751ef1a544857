"""What findings of Sigma rules share: how they are called, how severe they are, and what they rest on. All of it is the rule's own word."""

from typing import Any

from analyzer.rules.telling import Severity, Tell

_LEVELS = {"informational": Severity.INFO, "low": Severity.LOW, "medium": Severity.MEDIUM, "high": Severity.HIGH, "critical": Severity.CRITICAL}
_LONG = 55


def title(tell: Tell[Any]) -> str:
    """The rule's title, shortened."""
    words = tell.first.fact.hit.title
    return f"Sigma: {words if len(words) <= _LONG else words[: _LONG - 1] + '…'}"


def severity(tell: Tell[Any]) -> Severity:
    """The rule's level; medium where it gives none that is known."""
    return _LEVELS.get(tell.first.fact.hit.level, Severity.MEDIUM)


def reference(tell: Tell[Any]) -> str:
    """The specification and the rule."""
    return f"Sigma specification 2; rule {tell.first.fact.hit.rule}"


def attack(tell: Tell[Any]) -> tuple[str, ...]:
    """The rule's ATT&CK techniques."""
    techniques: tuple[str, ...] = tell.first.fact.hit.attack
    return techniques
