"""JSON Schema (draft 2020-12) of everything that is written as JSON: made of the same declarations as the tables, so that they cannot disagree.

Formats of other programs (HAR, ATT&CK Navigator, ECS, Timesketch) have their own rules and versions; their schemas here say what we write of them.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from analyzer.errors import UsageError
from analyzer.tables.column import Dtype
from analyzer.tables.registry import TABLES, AnyTable, table_named
from analyzer.tables.texts import SCHEMA

Schema: TypeAlias = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$"
_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_COUNT_OR_NULL: Schema = {"type": ["integer", "null"], "minimum": 0}
_VERSION: Schema = {"const": SCHEMA, "description": "Grows when a name changes its meaning."}
_TYPES: Mapping[Dtype, Schema] = {
    Dtype.TEXT: _TEXT_OR_NULL,
    Dtype.INTEGER: {"type": ["integer", "null"]},
    Dtype.NUMBER: {"type": ["number", "null"]},
    Dtype.FLAG: {"type": ["boolean", "null"]},
    Dtype.TIME: {"type": ["string", "null"], "pattern": _MOMENT},
}
_IN_DOCUMENT = ("captures", "incidents", "findings", "proxies", "keys", "issues")


def schema(name: str) -> Schema:
    """The schema of that name. `UsageError`: there is none."""
    made = _MADE.get(name)
    if made is None and name not in {table.name for table in TABLES}:
        msg = f"there is no schema {name!r}; there are {', '.join(named())}"
        raise UsageError(msg)
    head = {"$schema": _DRAFT, "$id": f"urn:winrm-analyzer:schema:{name}:{SCHEMA}"}
    return head | (made() if made is not None else _row_with_version(table_named(name)))


def named() -> dict[str, str]:
    """The schemas, and of which output each is."""
    own = {name: str(made()["description"]) for name, made in _MADE.items()}
    return own | {table.name: f"a row of `show {table.name}`: a line of -f jsonl, an element of the array of -f json" for table in TABLES}


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, description: str = "") -> Schema:
    told: Schema = {"description": description} if description else {}
    return told | {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _row(table: AnyTable) -> dict[str, Schema]:
    return {column.name: _TYPES[column.dtype] | {"description": column.means} for column in table.columns}


def _row_with_version(table: AnyTable) -> Schema:
    """Columns can be chosen, so none is required."""
    return _object({"schema_version": _VERSION}, _row(table), table.means)


def _coverage() -> dict[str, Schema]:
    counts = {"type": "object", "additionalProperties": _COUNT}
    return {
        **dict.fromkeys(("bodies", "closed", "incomplete"), counts),
        **dict.fromkeys(("opened", "tls_connections", "missing_bytes", "holes"), _COUNT),
        "wanted_keys": _array(_TEXT),
    }


def _route() -> dict[str, Schema]:
    texts = dict.fromkeys(("route_id", "kind"), _TEXT) | dict.fromkeys(("proxy_ip", "client_connection_id"), _TEXT_OR_NULL)
    return texts | {"upstream_connection_ids": _array(_TEXT)}


def _run() -> dict[str, Schema]:
    return {"tool": {"const": "winrm-analyzer"}, "version": _TEXT, "schema": _VERSION, "schema_version": _VERSION}


def _analyze() -> Schema:
    tables = {name: _array(_object(_row(table_named(name)))) for name in _IN_DOCUMENT}
    whole = _run() | {"diagnosis": _TEXT, "coverage": _object(_coverage()), "routes": _array(_object(_route()))} | tables
    return _object(whole, description="What `analyze -f json` prints.")


def _analyze_line() -> Schema:
    kinds = {"run": _run(), "diagnosis": {"text": _TEXT}, "coverage": _coverage(), "routes": _route()}
    kinds |= {name: _row(table_named(name)) for name in _IN_DOCUMENT}
    lines = [_object({"table": {"const": name}} | fields | {"schema_version": _VERSION}) for name, fields in kinds.items()]
    return {"description": "A line of what `analyze -f jsonl` prints.", "oneOf": lines}


def _hashes() -> Schema:
    texts = dict.fromkeys(("line", "packets"), _TEXT) | dict.fromkeys(("user", "domain", "service"), _TEXT_OR_NULL)
    lists = dict.fromkeys(("connections", "outcomes"), _array(_TEXT))
    fields = {"hashcat_mode": {"enum": [5500, 5600, 13100]}} | texts | lists | {"schema_version": _VERSION}
    return _object(fields, description="A line of what `hashes -f jsonl` prints.")


def _extract() -> Schema:
    texts = dict.fromkeys(("sha256", "kind", "written_as", "packets"), _TEXT)
    maybe = dict.fromkeys(("name", "method", "server_ip", "shell_id"), _TEXT_OR_NULL)
    hole = _object({"offset": _COUNT, "size": _COUNT_OR_NULL})
    check = _object({"what": _TEXT, "told": {"type": ["string", "integer"]}, "found": {"type": ["string", "integer"]}, "packets": _TEXT})
    more: dict[str, Schema] = {
        "size_bytes": _COUNT,
        "direction": {"enum": ["to_server", "to_client"]},
        "whole": {"type": "boolean"},
        "verified": {"type": ["boolean", "null"]},
        "missing_bytes": _COUNT_OR_NULL,
        "holes": _array(hole),
        "checks": _array(check),
        "commands": _array(_TEXT),
        "schema_version": _VERSION,
    }
    return _object(texts | maybe | more, description="A line of what `extract -f jsonl` prints, and SHA256.incomplete.json next to a file that is not whole.")


def _timeline() -> Schema:
    fields = _row(table_named("timeline")) | {"schema": _VERSION, "schema_version": _VERSION}
    return _object(fields, description="A line of what `timeline --profile native` writes.")


def _timesketch() -> Schema:
    needed = dict.fromkeys(("message", "datetime", "timestamp_desc"), _TEXT) | {"timestamp": {"type": "integer"}}
    return _object(needed, description="A line of what `timeline --profile timesketch` writes (Timesketch's own names).")


def _ecs() -> Schema:
    needed = {"@timestamp": _TEXT, "ecs": _object({"version": _TEXT}), "event": {"type": "object"}, "winrm": {"type": "object"}}
    return _object(needed, description="A line of what `timeline --profile ecs` writes (ECS names; what ECS has no name for is below `winrm`).")


def _har() -> Schema:
    log = {"version": {"const": "1.2"}, "creator": _object({"name": _TEXT, "version": _TEXT}), "entries": _array({"type": "object"})}
    return _object({"log": _object(log)}, description="What `export -f har` writes (HTTP Archive 1.2).")


def _navigator() -> Schema:
    technique = _object({"techniqueID": {"type": "string", "pattern": r"^T\d{4}(\.\d{3})?$"}, "score": _COUNT})
    needed = {"name": _TEXT, "versions": _object({"layer": {"const": "4.5"}}), "domain": {"const": "enterprise-attack"}, "techniques": _array(technique)}
    return _object(needed, description="What `export -f navigator` writes (layer format 4.5).")


def _winlogbeat() -> Schema:
    own = _object({"event_id": _TEXT, "process": {"type": "object"}})
    needed = {"@timestamp": _TEXT, "event": {"type": "object"}, "log": {"type": "object"}, "winlog": own, "winrm": {"type": "object"}}
    return _object(needed, description="A line of what `export -f winlogbeat` writes (Winlogbeat's names; where it was in the traffic is below `winrm`).")


def _nxlog() -> Schema:
    needed = {"EventTime": _TEXT, "EventID": _COUNT, "winrm": {"type": "object"}}
    return _object(needed, description="A line of what `export -f nxlog` writes (NXLog's names; the event's values stand next to them).")


def _sql() -> Schema:
    return _object(
        {"schema_version": _VERSION},
        description="A row of what `sql` prints: a line of -f jsonl, an element of the array of -f json. Its columns are the query's.",
    )


def _manifest() -> Schema:
    size_and_hash = {"size_bytes": _COUNT, "sha256": _TEXT_OR_NULL}
    one_input = _object({"capture": _TEXT, "path": _TEXT, "absolute": _TEXT_OR_NULL} | size_and_hash, {"relative": _TEXT_OR_NULL})
    counters, outputs = {"type": "object", "additionalProperties": _COUNT}, {"type": "object", "additionalProperties": _object(size_and_hash)}
    needed: dict[str, Schema] = {
        "tool": {"const": "winrm-analyzer"},
        "version": _TEXT,
        "schema": _COUNT,
        "schema_version": _COUNT,
        "rules": _array(_object({"id": _TEXT, "document_sha256": _TEXT})),
        "arguments": _array(_TEXT),
        "limits": {"type": "object"},
        "limits_hit": _array(_object({"code": _TEXT, "detail": _TEXT, "repeats": _COUNT})),
        "inputs": _array(one_input),
        "diagnosis": _array(_TEXT),
        "processed": {"type": "object"},
        "counters": counters,
        "outputs": outputs,
        "show_secrets": {"type": "boolean"},
    }
    return _object(needed, description="The file manifest.json of a case folder; its versions are those of the folder.")


def _compare() -> Schema:
    flag: Schema = {"type": "boolean"}
    both = tuple(f"{name}_{side}" for name in ("client", "step", "packets", "capture", "records") for side in "ab")
    step = _object({"alike": flag, "first_difference": flag, **dict.fromkeys(both, _TEXT_OR_NULL)})
    finding = _object({"case": {"enum": ["a", "b"]}, **dict.fromkeys(("finding_id", "rule", "title"), _TEXT)})
    difference = _object({**dict.fromkeys(("what", "left", "right"), _TEXT), "times": _COUNT})
    needed = {
        "schema_version": _VERSION,
        **dict.fromkeys(("a", "b"), _TEXT),
        "verdict": _array(_TEXT),
        "first_difference": _COUNT_OR_NULL,
        "findings": _array(finding),
        "steps": _array(step),
        "differences": _array(difference),
    }
    return _object(needed, description="`compare A B -f json`: the steps of two cases in pairs.")


_MADE: Mapping[str, Callable[[], Schema]] = {
    "analyze": _analyze,
    "analyze-line": _analyze_line,
    "compare": _compare,
    "extract": _extract,
    "hashes": _hashes,
    "manifest": _manifest,
    "sql": _sql,
    "native": _timeline,
    "timesketch": _timesketch,
    "ecs": _ecs,
    "har": _har,
    "navigator": _navigator,
    "winlogbeat": _winlogbeat,
    "nxlog": _nxlog,
}
