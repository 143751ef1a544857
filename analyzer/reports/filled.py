"""A notebook for one case: a first cell that opens it, and for each question that the case can answer a cell that answers it (nbformat 4.5)."""

import json
from collections.abc import Mapping
from typing import NamedTuple


class Section(NamedTuple):
    """A question: its heading, what to know of the answer, the code, and the table without whose rows it is left out."""

    heading: str
    text: str
    code: str
    table: str = ""


SECTIONS = (
    Section(
        "What happened",
        "Findings of one cause are one incident, the most severe first. `owner` is whose part it is, `change` what to do.",
        'case.incidents[["incident_id", "severity", "title", "owner", "clients", "clients_total", "change", "packets"]]',
        "incidents",
    ),
    Section(
        "The facts of each finding",
        "`why` names packets and ids; `filter` can be pasted into Wireshark.",
        'case.findings[["finding_id", "rule", "severity", "confidence", "title", "why", "packets", "filter"]]',
        "findings",
    ),
    Section(
        "Who takes part",
        "Clients, proxies and servers, with the addresses that belong to one of them. `certainty` is `proved` where the other side shows it.",
        "case.parties",
        "parties",
    ),
    Section("The hosts and their connections", "What broke is red.", "case.plot.map()", "connections"),
    Section("The life of each connection", "A green mark is a logon that was accepted, a red one that was not.", "case.plot.connections()", "connections"),
    Section(
        "Where time went",
        "Between requests (client), in the proxy, in the server. Without the other side of a proxy its share counts as the server's.",
        "case.plot.latency()",
        "exchanges",
    ),
    Section(
        "Logons that did not succeed",
        "One row per logon of a client, over both sides of a proxy. `reason` is what the packets show.",
        "case.logons[case.logons.outcome != 'accepted']",
        "logons",
    ),
    Section(
        "What became of the requests",
        "How many ended how, by the party that they got to.",
        'case.requests.groupby(["fate", "stopped_at"], dropna=False).size().rename("requests").reset_index()',
        "requests",
    ),
    Section(
        "Requests that took long",
        "From the last byte of the request to its answer, in seconds. A Receive waits on purpose until there is output.",
        'case.requests.nlargest(20, "seconds")[["request_id", "fate", "status", "seconds", "packets"]]',
        "requests",
    ),
    Section(
        "What was run",
        "Commands and PowerShell pipelines whose messages could be read. `asked_as` and `ran_as` differ where a proxy shares a logon.",
        "case.commands",
        "commands",
    ),
    Section(
        "The proxies",
        "What Microsoft's page asks of each proxy, tested in the traffic: pass, fail, or not tested.",
        "case.proxies.T",
        "proxies",
    ),
    Section(
        "What was wrong with the evidence",
        "What could not be read, and what that hides.",
        "case.issues.groupby(['level', 'code']).size().rename('times').reset_index()",
        "issues",
    ),
    Section(
        "Any other question",
        "SQL over all tables; docs/tables.md names them and their columns.",
        'case.sql("select client_ip, server_ip, server_port, count(*) as connections from connections group by all order by connections desc")',
    ),
)
"""In this order."""


def notebook(opens: str, rows: Mapping[str, int]) -> str:
    """The notebook as JSON. ``opens``: the expression that gives the case; ``rows``: how many rows each of its tables has."""
    cells = [
        _markdown("# WinRM in this case\n\nThe first cell opens the case. For another one, change its path and run all cells."),
        _code(f"import analyzer\n\ncase = {opens}\ncase"),
    ]
    for section in SECTIONS:
        if not section.table or rows.get(section.table):
            cells += [_markdown(f"## {section.heading}\n\n{section.text}"), _code(section.code)]
    made = {
        "cells": [{"id": f"cell-{place}", **cell} for place, cell in enumerate(cells)],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _markdown(text: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _code(text: str) -> dict[str, object]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": text}
