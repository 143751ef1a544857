"""A layer for MITRE's ATT&CK Navigator: the techniques that findings name.

Source: "ATT&CK Navigator Layer File Format Definition", version 4.5.
"""

import re
from collections import defaultdict
from collections.abc import Iterator

from analyzer.exports.registry import Source
from analyzer.exports.rows import Row, text
from analyzer.tables.texts import dumps

_SCORES = {"info": 10, "low": 25, "medium": 50, "high": 75, "critical": 100}
_TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?")
_MOST_LISTED = 50


def layer(source: Source) -> Iterator[str]:
    """The layer as JSON. A technique's score is that of its gravest finding (info 10, low 25, medium 50, high 75, critical 100)."""
    rows = source.rows
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows.of("findings"):
        for name in text(row, "attack").split(","):
            if _TECHNIQUE.fullmatch(name):
                found[name].append(row)
    captures = ", ".join(text(row, "capture") for row in rows.of("captures"))
    made = {
        "name": f"WinRM: {captures}"[:200],
        "versions": {"layer": "4.5", "navigator": "5.1.0"},
        "domain": "enterprise-attack",
        "description": f"Techniques of the findings of winrm-analyzer {source.version} in {captures}"[:2000],
        "sorting": 3,
        "techniques": [_technique(name, found[name]) for name in sorted(found)],
        "gradient": {"colors": ["#fff3c4", "#f2a33a", "#b3261e"], "minValue": 0, "maxValue": 100},
        "legendItems": [{"label": f"{word}: {score}", "color": "#f2a33a"} for word, score in _SCORES.items()],
        "showTacticRowBackground": False,
        "selectTechniquesAcrossTactics": True,
    }
    yield dumps(made) + "\n"


def _technique(name: str, findings: list[Row]) -> dict[str, object]:
    titles = dict.fromkeys(text(row, "title") for row in findings)
    return {
        "techniqueID": name,
        "score": max(_SCORES.get(text(row, "severity"), 0) for row in findings),
        "comment": "; ".join(titles),
        "enabled": True,
        "metadata": [
            {"name": f"finding {text(row, 'finding_id')}", "value": f"{text(row, 'rule')} ({text(row, 'severity')}), packets {text(row, 'packets') or '-'}"}
            for row in findings[:_MOST_LISTED]
        ],
        "showSubtechniques": "." in name,
    }
