"""What was run: account, hosts and command, equal ones counted."""

from typing import NamedTuple

from analyzer.reports.html.source import Row, Source, number, text

_UNSEEN = "not visible"


class Run(NamedTuple):
    """A command that an account ran from one host on another. ``ran_as`` where it is another account than the client's own."""

    account: str
    ran_as: str
    client: str
    server: str
    command: str
    times: int
    first_ns: int | None
    ends: str
    packets: str
    capture: str


def ran(source: Source) -> list[Run]:
    """In order of the first time."""
    servers = {text(row, "shell_id"): row for row in source.rows("shells")}
    grouped: dict[tuple[str, ...], list[Row]] = {}
    for row in source.rows("commands"):
        shell = servers.get(text(row, "shell_id"))
        asked = text(row, "asked_as") or text(row, "user")
        client = text(row, "asked_from") or ("" if shell is None else text(shell, "client_ip"))
        key = (asked, text(row, "ran_as"), client, "" if shell is None else text(shell, "server_ip"), text(row, "text_decoded") or text(row, "text"))
        grouped.setdefault(key, []).append(row)
    made = [_run(key, rows) for key, rows in grouped.items()]
    return sorted(made, key=lambda one: one.first_ns or 0)


def _run(key: tuple[str, ...], rows: list[Row]) -> Run:
    asked, as_, client, server, command = key
    first = rows[0]
    ends = dict.fromkeys(f"exit code {row['exit_code']}" if row["exit_code"] is not None else text(row, "state") for row in rows)
    return Run(
        account=asked or _UNSEEN,
        ran_as=as_ if as_ and as_ != asked else "",
        client=client or _UNSEEN,
        server=server or _UNSEEN,
        command=command or "(its beginning is not in the capture)",
        times=len(rows),
        first_ns=None if first["time"] is None else number(first, "time"),
        ends=", ".join(one for one in ends if one),
        packets=text(first, "packets"),
        capture=text(first, "capture"),
    )
