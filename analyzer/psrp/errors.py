"""An error record as JSON (MS-PSRP 2.2.3.15): category, id, what it is about, and where in which script it happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import encode

from analyzer.psrp.clixml import named, tree, value
from analyzer.psrp.objects import LONGEST

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

_CATEGORIES = (
    *("NotSpecified", "OpenError", "CloseError", "DeviceError", "DeadlockDetected", "InvalidArgument", "InvalidData", "InvalidOperation", "InvalidResult"),
    *("InvalidType", "MetadataError", "NotImplemented", "NotInstalled", "ObjectNotFound", "OperationStopped", "OperationTimeout", "SyntaxError"),
    *("ParserError", "PermissionDenied", "ResourceBusy", "ResourceExists", "ResourceUnavailable", "ReadError", "WriteError", "FromStdErr", "SecurityError"),
    *("ProtocolError", "ConnectionError", "AuthenticationError", "LimitsExceeded", "QuotaExceeded", "NotEnabled"),
)
"""Names of ErrorCategory by number (System.Management.Automation.ErrorCategory)."""
_DIRECT = {
    "activity": "ErrorCategory_Activity",
    "reason": "ErrorCategory_Reason",
    "target_name": "ErrorCategory_TargetName",
    "target_type": "ErrorCategory_TargetType",
    "id": "FullyQualifiedErrorId",
    "recommended": "ErrorDetails_RecommendedAction",
    "stack": "ErrorDetails_ScriptStackTrace",
}
_INVOCATION = {"command": "InvocationName", "script": "ScriptName", "line": "ScriptLineNumber", "column": "OffsetInLine", "statement": "Line"}
_NUMBERS = ("line", "column")
_POSITION = "PositionMessage"
_DIGITS = 9


def details(text: str) -> str | None:
    """Of an ERROR_RECORD message; None of what is no CLIXML or too long."""
    root = None if len(text) > LONGEST else tree(text)
    return None if root is None else of(root)


def of_state(text: str) -> str | None:
    """Of the error for which a pipeline failed, in its PIPELINE_STATE message (MS-PSRP 2.2.2.21)."""
    root = None if len(text) > LONGEST else tree(text)
    failure = None if root is None else named(root, "ExceptionAsErrorRecord")
    return None if failure is None else of(failure)


def of(root: ET.Element) -> str | None:
    """Of the element that an error record is; None where it says nothing of it."""
    found: dict[str, str | int] = {}
    category = value(named(root, "ErrorCategory_Category"))
    if category.isascii() and category.isdigit() and len(category) < _DIGITS:
        found["category"] = _CATEGORIES[int(category)] if int(category) < len(_CATEGORIES) else category
    elif category:
        found["category"] = category
    found |= {name: said for name, member in _DIRECT.items() if (said := value(named(root, member)))}
    target = named(root, "TargetObject")
    if target is not None and value(target):
        found["target"] = value(target)
    place = named(root, "InvocationInfo")
    for name, member in {**_INVOCATION, "position": _POSITION}.items():
        said = value(named(root, f"InvocationInfo_{member}")) or (value(named(place, member)) if place is not None else "")
        if name in _NUMBERS and said.isascii() and said.isdigit() and len(said) < _DIGITS:
            found[name] = int(said)
        elif said:
            found[name] = said
    return encode(found).decode() if found else None
