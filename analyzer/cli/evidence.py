"""Commands for what an investigator takes out of a capture and away: responses of logons, files that were moved."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from analyzer.cli.analysis import exit_code, read_case
from analyzer.cli.options import input_options
from analyzer.cli.printing import remark, write
from analyzer.errors import OutputError, UsageError
from analyzer.system.outputs import write_files
from analyzer.tables.texts import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer import api
    from analyzer.cli.analysis import Given
    from analyzer.records.files import MovedFile
    from analyzer.records.hashes import HashLine


@click.command()
@input_options
@click.option("-f", "--format", "form", type=click.Choice(["text", "jsonl"]), default="text", show_default=True, help="Lines for hashcat, or JSON lines.")
@click.option("--show-secrets", is_flag=True, help="Needed: the lines are as good as passwords: a weak password is soon guessed from them.")
def hashes(captures: tuple[str, ...], given: Given, form: Literal["text", "jsonl"], *, show_secrets: bool, strict: bool) -> int:
    """Print the responses of all logons as lines for hashcat.

    Modes 5600 (NetNTLMv2), 5500 (NetNTLMv1), and 13100 (service ticket under an RC4 key; that of a machine account is not worth the
    time). Each distinct response is one line on stdout; which user, packets and connections it belongs to goes to stderr.
    """
    if not show_secrets:
        msg = "these lines are as good as passwords; --show-secrets prints them (passwords and keys are masked everywhere by default)"
        raise UsageError(msg)
    case = read_case(captures, given)
    found = case.hash_lines()
    if form == "jsonl":
        write(json.dumps(_fields(case, line), ensure_ascii=False) + "\n" for line in found)
    else:
        write(f"{line.line}\n" for line in found)
        for line in found:
            _remark(case, line)
        if not found:
            remark("no NTLM response with its challenge, and no service ticket under an RC4 key")
    return exit_code(case, None, strict=strict)


@click.command()
@input_options
@click.option("-o", "--output", metavar="DIR", required=True, type=click.Path(file_okay=False, path_type=Path), help="Write the files into this folder.")
@click.option("-f", "--format", "form", type=click.Choice(["text", "jsonl"]), default="text", show_default=True, help="How the list on stdout looks.")
def extract(captures: tuple[str, ...], given: Given, output: Path, form: Literal["text", "jsonl"], *, strict: bool) -> int:
    """Write the files that were moved over WinRM, and list them.

    Files are named by their SHA-256, readable by you alone and never executable; names from the capture are shown, not used. What is
    there already is not overwritten. They are what an attacker may have sent: handle them so.

    A file of which something is missing, or which is not what the traffic says of its size or hash, is named SHA256.incomplete, with
    zeros where bytes are missing. SHA256.incomplete.json says where these are, and what was compared.
    """
    case = read_case(captures, given)
    found = case.moved_files()
    content: dict[str, bytes] = {}
    for one in found:
        content[stored_as(one)] = one.data
        if not one.whole:
            content[f"{stored_as(one)}.json"] = f"{json.dumps(_file_fields(case, one), ensure_ascii=False, indent=1)}\n".encode()
    _write_all(output, content)
    if form == "jsonl":
        write(json.dumps(_file_fields(case, one), ensure_ascii=False) + "\n" for one in found)
    else:
        write(f"{line}\n" for line in _list(case, found))
    names = {stored_as(one): one.whole for one in found}
    lacking = sum(not whole for whole in names.values())
    remark(f"{_counted(len(names))} written into {output}{f', {lacking} incomplete' if lacking else ''}" if names else _NO_FILE)
    return exit_code(case, None, strict=strict)


_NO_FILE = "no file that was moved over WinRM could be read"


def _counted(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _write_all(folder: Path, content: dict[str, bytes]) -> None:
    """`OutputError` before anything is written when one of the files is there."""
    there = next((name for name in content if os.path.lexists(folder / name)), None)
    if there is not None:
        msg = f"{folder / there} exists; nothing was written (choose another folder)"
        raise OutputError(msg)
    if not content:
        return
    write_files(folder, {name: [data] for name, data in content.items()})


def _list(case: api.Case, found: tuple[MovedFile, ...]) -> Iterator[str]:
    from analyzer.formats.text import visible

    for one in found:
        way = "to server" if one.to_server else "to client"
        words = (stored_as(one), f"{one.size:>10}", way, one.kind, f"packets {case.packets_text(one.packets)}", one.name or "", _state(one))
        yield visible("  ".join(word for word in words if word))


def _state(one: MovedFile) -> str:
    """How sure its content is, in words."""
    from analyzer.tables.files import checked, holes

    told = checked(one)
    if one.whole:
        return f"({told})" if told else "(nothing in the traffic tells its size or hash)"
    lacking = "of an unknown number of bytes" if one.missing_bytes is None else f"{one.missing_bytes:,} bytes missing"
    where = f" at {holes(one)}" if one.holes else ""
    return f"(INCOMPLETE: {lacking if one.missing_bytes != 0 else 'not what the traffic says'}{where}{f'; {told}' if told else ''})"


def _file_fields(case: api.Case, one: MovedFile) -> dict[str, object]:
    return {
        "sha256": one.sha256,
        "size_bytes": one.size,
        "kind": one.kind,
        "name": one.name,
        "direction": "to_server" if one.to_server else "to_client",
        "whole": one.whole,
        "missing_bytes": one.missing_bytes,
        "holes": [{"offset": at, "size": size or None} for at, size in one.holes],
        "verified": one.verified,
        "checks": [{"what": one.what, "told": one.told, "found": one.found, "packets": case.packets_text(one.packets)} for one in one.checks],
        "method": one.method,
        "written_as": stored_as(one),
        "server_ip": one.server,
        "shell_id": one.shell,
        "commands": list(one.commands),
        "packets": case.packets_text(one.packets),
        "schema_version": SCHEMA,
    }


def stored_as(one: MovedFile) -> str:
    """The name under which a file is written: what is not whole says so."""
    return one.sha256 if one.whole else f"{one.sha256}.incomplete"


def _fields(case: api.Case, line: HashLine) -> dict[str, object]:
    return {
        "hashcat_mode": line.mode,
        "line": line.line,
        "user": line.user or None,
        "domain": line.domain or None,
        "service": line.service,
        "packets": case.packets_text(line.packets),
        "connections": list(line.connections),
        "outcomes": list(line.outcomes),
        "schema_version": SCHEMA,
    }


def _remark(case: api.Case, line: HashLine) -> None:
    from analyzer.formats.text import visible

    who = line.service or (f"{line.domain}\\{line.user}" if line.domain else line.user)
    words = (str(line.mode), who, f"packets {case.packets_text(line.packets)}", " ".join(line.connections), " ".join(line.outcomes))
    remark(f"# {visible('  '.join(words))}")
