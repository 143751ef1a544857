"""The command line that users script against: the commands and options that are promised, and a sentence for each that there is."""

import click
import pytest

from analyzer.cli.commands import cli
from analyzer.tables.registry import TABLES

PROMISED = {
    "analyze": ("-o", "--secrets", "--keylog", "--keytab", "--fail-on", "-f", "--strict", "--show-secrets", "--rules", "--clobber"),
    "info": ("--secrets",),
    "show": ("-f", "--columns", "--where", "--show-secrets"),
    "findings": ("--fail-on", "-f"),
    "explain": (),
    "rules": (),
    "transcript": ("--show-secrets",),
    "ladder": ("--connection", "--format"),
    "report": ("-o", "--show-secrets"),
    "timeline": ("--profile", "-o", "--show-secrets"),
    "pcap": ("-o", "--finding", "--connection"),
    "verify": (),
}
CHOICES = {
    ("analyze", "--format"): {"table", "json", "jsonl"},
    ("show", "--format"): {"table", "csv", "json", "jsonl", "parquet"},
    ("ladder", "--format"): {"text", "svg", "mermaid"},
    ("timeline", "--profile"): {"timesketch", "ecs", "zeek", "native"},
}
COMMANDS = sorted(cli.commands.items())
every_command = pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])


@pytest.mark.parametrize("name", PROMISED)
def test_what_is_promised_is_there(name: str) -> None:
    found = {option for parameter in cli.commands[name].params for option in parameter.opts}
    assert set(PROMISED[name]) <= found


@pytest.mark.parametrize(("name", "option"), CHOICES)
def test_promised_choices_are_there(name: str, option: str) -> None:
    [parameter] = [one for one in cli.commands[name].params if option in one.opts]
    assert isinstance(parameter.type, click.Choice)
    assert CHOICES[name, option] <= set(parameter.type.choices)


@every_command
def test_every_command_and_option_says_what_it_does(name: str, command: click.Command) -> None:
    assert command.help
    assert command.help.strip()[0].isupper()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            text = parameter.help or ""
            assert text.endswith(".") or (isinstance(parameter.type, click.Choice) and not text), (name, parameter.opts)


@every_command
def test_what_writes_a_file_overwrites_nothing_unasked(name: str, command: click.Command) -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--output" not in options or "--clobber" in options or name == "extract", "extract never overwrites"


@every_command
def test_no_secret_is_taken_from_the_command_line(name: str, command: click.Command) -> None:
    for parameter in command.params:
        if {"--secrets", "--keylog", "--keytab"} & set(parameter.opts):
            assert isinstance(parameter.type, click.Path), "a file holds it"
    words = {option.strip("-") for parameter in command.params for option in parameter.opts}
    assert not words & {"password", "hash", "nt-hash", "key"}


def test_the_help_of_show_names_every_table() -> None:
    text = " ".join((cli.commands["show"].help or "").split())
    assert [table.name for table in TABLES if table.name not in text] == []
