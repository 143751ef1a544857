"""`analyze` for programs: the same as the first screen, as one JSON document or as JSON lines."""

from collections.abc import Iterator, Mapping

from analyzer.records.result import Result
from analyzer.reports.facts import coverage
from analyzer.tables.column import Value
from analyzer.tables.registry import table_named
from analyzer.tables.texts import SCHEMA, dumps, objects

_TABLES = ("captures", "incidents", "findings", "proxies", "keys", "issues")


def document(result: Result, version: str) -> Iterator[str]:
    """One JSON object: tool, version, schema, diagnosis, coverage, routes, and the tables captures, incidents, findings, proxies, keys and issues."""
    about = {"tool": "winrm-analyzer", "version": version, "schema": SCHEMA, "schema_version": SCHEMA}
    head = {**about, "diagnosis": "\n".join(result.diagnosis), "coverage": _coverage(result), "routes": list(_routes(result))}
    tables = {name: list(_objects(result, name)) for name in _TABLES}
    yield dumps(head | tables) + "\n"


def lines(result: Result, version: str) -> Iterator[str]:
    """One JSON object a line; ``table`` tells what it is: run, diagnosis, coverage, routes, captures, incidents, findings, proxies, keys, issues."""
    for line in _lines(result, version):
        yield dumps(line | {"schema_version": SCHEMA}) + "\n"


def _lines(result: Result, version: str) -> Iterator[dict[str, object]]:
    yield {"table": "run", "tool": "winrm-analyzer", "version": version, "schema": SCHEMA}
    yield {"table": "diagnosis", "text": "\n".join(result.diagnosis)}
    yield {"table": "coverage"} | _coverage(result)
    for route in _routes(result):
        yield {"table": "routes", **route}
    for name in _TABLES:
        for row in _objects(result, name):
            yield {"table": name, **row}


def _objects(result: Result, name: str) -> Iterator[dict[str, Value]]:
    table = table_named(name)
    return objects(table, table.values(result), table.names)


def _coverage(result: Result) -> dict[str, object]:
    """Bodies as they travelled: a program can tell the sides apart by the table hops, so nothing is counted away."""
    return dict(coverage(result.evidence, once=False)._asdict())


def _routes(result: Result) -> Iterator[Mapping[str, object]]:
    for route in result.evidence.routes:
        yield {
            "route_id": route.id,
            "kind": route.kind,
            "proxy_ip": route.proxy_host,
            "client_connection_id": route.client_connection,
            "upstream_connection_ids": list(route.upstream_connections),
        }
