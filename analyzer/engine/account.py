"""What a run tells of itself: tool, rules, command line, inputs, limits. It becomes the manifest of a case folder and the last section of the report."""

import hashlib
import os
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from msgspec.structs import asdict

from analyzer.capture.open import is_pipe
from analyzer.engine.intact import unhashed
from analyzer.records.capture import Capture
from analyzer.records.issues import Issue
from analyzer.records.result import SCHEMA, Result
from analyzer.records.secrets import Secrets
from analyzer.rules.catalogue import rule_files, rule_ids, rules
from analyzer.system.files import is_url
from analyzer.tables.times import rfc3339


def account(result: Result, about: Mapping[str, Any]) -> dict[str, object]:
    """``about``: arguments, scope, limits, rules_dirs, began_ns, ended_ns, version. ``result`` has the hashes of its captures. No secret is in any of it."""
    asked = rule_ids(negotiate=result.evidence.negotiate)
    ran = [*((rule.id, rule.document) for rule in rules() if rule.id in asked), *((file.id, file.document) for file in rule_files(about.get("rules_dirs", [])))]
    limits, scope = about.get("limits"), about.get("scope")
    return {
        "tool": "winrm-analyzer",
        "schema": SCHEMA,
        "schema_version": SCHEMA,
        "version": about.get("version", ""),
        "rules": [{"id": rule, "document_sha256": hashlib.sha256(document.encode()).hexdigest()} for rule, document in ran],
        "thresholds": about.get("thresholds", {}),
        "arguments": about.get("arguments", []),
        "all_http": bool(scope and scope.all_http),
        "negotiate": bool(scope and scope.negotiate),
        "scope": list(result.evidence.scope),
        "limits": asdict(limits) if limits else {},
        "limits_hit": [{"code": issue.code, "detail": issue.detail, "repeats": issue.repeats} for issue in result.evidence.issues if _is_limit(issue)],
        "inputs": [
            {"capture": one.name, "path": one.path, "absolute": _absolute(one.path), "size_bytes": one.size, "sha256": one.sha256, **_as_read(one, result)}
            for one in result.evidence.captures
        ],
        "diagnosis": list(result.diagnosis),
        "processed": {word: rfc3339(about[f"{word}_ns"]) for word in ("began", "ended") if f"{word}_ns" in about},
    }


def _as_read(capture: Capture, result: Result) -> dict[str, object]:
    """Which file it was, and what became of it while it was read."""
    changed = "; ".join(issue.detail for issue in result.evidence.issues if issue.code == "capture.changed" and issue.capture == capture.ordinal)
    if capture.identity is None:
        return {"pipe": is_pipe(capture.path)} | ({"changed": changed} if changed else {})
    told: dict[str, object] = {"modified": rfc3339(capture.identity.modified_ns), "inode": capture.identity.inode}
    if changed:
        return told | {"changed": changed}
    return told if capture.sha256 is not None or is_url(capture.path) else told | {"no_sha256": unhashed(capture)}


def _is_limit(issue: Issue) -> bool:
    return issue.code.endswith(".limit") or "over_limit" in issue.detail


def _absolute(path: str) -> str | None:
    return None if path == "-" else os.path.abspath(path)  # noqa: PTH100 (the path as given, not resolved: links are part of the evidence's name)


class Hidden(NamedTuple):
    """What a `Mask` takes out: passwords, the bytes of keys, the names of the passwords' users, and the secrets of TLS key logs."""

    values: list[str]
    keys: list[bytes]
    names: list[str]
    logged: list[bytes]

    def __repr__(self) -> str:
        return "<Hidden>"


_EVERY_FORM = 500
"""Keys that are looked for in each form in which they may travel; of more, in hexadecimal digits only."""
_GUESSES = 100
"""Passwords of a list without names that are hidden although they fit nothing: of a longer one most are ordinary words, which no text could be read without."""


def hidden(secrets: Secrets, fits: Collection[str] = ()) -> Hidden:
    """The investigator's secrets, which are never shown. ``fits``: the tags of those that proved right."""
    hashes = [key for one in secrets.ntlm for key in (one.nt_hash, one.lm_hash) if key is not None]
    own = {one.tag for one in secrets.ntlm if one.tag in fits}
    keys = [*(one.value for one in secrets.session_keys), *(one.value for one in secrets.kerberos), *(one.value for one in secrets.tickets)]
    logged = [bytes(one.value) for one in secrets.tls]
    if len(hashes) + len(keys) > _EVERY_FORM:
        logged += [bytes(key) for key in (*hashes, *keys)]
        hashes = [one.nt_hash for one in secrets.ntlm if one.tag in own]
        keys = [one.value for one in secrets.kerberos if one.tag in fits] + [one.value for one in secrets.tickets if one.tag in fits]
    guesses = [one for one in secrets.passwords if one.guess]
    kept = [one for one in secrets.passwords if not one.guess] + [one for one in guesses if one.tag in fits or len(guesses) <= _GUESSES]
    if len(kept) > _EVERY_FORM:
        kept = [one for one in kept if one.tag in fits]
    values = [one.value.decode("utf-8", "replace") for one in kept]
    return Hidden(values, [bytes(key) for key in (*hashes, *keys)], [one.user for one in kept if one.user], logged)
