"""Writes what documents show of the program: ``python docs/refresh.py`` renews, ``--check`` only tells.

In the README and every page of docs/, a block that begins with ``<!-- run: COMMAND -->`` and a fence is filled with what
the command prints; docs/tables.md, docs/rules.md, docs/limits.md and docs/commands.md are made whole. Between ``<!-- codes -->`` and
``<!-- end of codes -->`` stands the table of error codes. So no output, column, rule, command, option or code in a
document can differ from what the program does.
"""

import ast
import re
import shlex
import sys
from pathlib import Path

import click
from click.testing import CliRunner

from analyzer.cli.commands import cli
from analyzer.cli.options import CONTEXT
from analyzer.cli.start import HELP_WIDTHS
from analyzer.records.finding import ADDRESSES, PROXY_SERVERS
from analyzer.rules.catalogue import rules
from analyzer.rules.documents import code_book
from analyzer.rules.documents import document as rule_document
from analyzer.rules.products import PAST_THE_PROXY, Topic, with_setting
from analyzer.settings import Limits
from analyzer.tables.document import document

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"(<!-- run: (?P<command>[^\n]*?) -->\n```[a-z]*\n)(?P<body>.*?)(^```$)", re.DOTALL | re.MULTILINE)
_CODES = re.compile(r"(<!-- codes -->\n).*?(<!-- end of codes -->)", re.DOTALL)
_HELP_WIDTH = 110
_COMMANDS_PREFACE = """# Commands

Made of the commands' own help by `python docs/refresh.py`; a test holds it up to date. Results go to standard output, everything else to standard error.
"""
_LIMITS_PREFACE = """# Limits

Made of `analyzer/settings.py` by `python docs/refresh.py`; a test holds it up to date. What a run may use has a limit, so that evidence that is
built to cost time or memory costs little. A limit that is reached leaves an issue that names it, and the rest of the evidence is read.

`--limit NAME=VALUE` sets one for a run; a settings file has them in its section `[limits]`:

```toml
[limits]
seconds = 60
connections = 100_000
```

How many connections and exchanges are read follows from the bytes that were captured of them, not from a clock, so equal captures give equal results. Captures
of ordinary WinRM reach neither limit, whatever their size. `seconds` is a clock: what it leaves out depends on the machine.

| limit | default | what it is |
|---|---|---|
"""
_RULES_PREFACE = f"""# Rules

Made of the rules' own documents by `python docs/refresh.py`; a test holds it up to date. `winrm-analyzer explain RULE` prints the same.

There is no rule for a pair of hosts that speaks WinRM for the first time: a capture shows what happened while it ran, not what was usual before, so every pair
in it is new, and nothing on the wire says which host is a workstation. Compare the table `connections` of two cases instead.

Sentences below *Reference* in quotation marks are Microsoft's: [{PROXY_SERVERS}]({ADDRESSES[PROXY_SERVERS]}).

"""


def printed(command: str) -> str:
    """What a command line of ours prints on standard output."""
    program, *arguments = shlex.split(command)
    if program != "winrm-analyzer":
        msg = f"not a command of this project: {command}"
        raise ValueError(msg)
    result = CliRunner().invoke(cli, arguments)
    if result.exit_code != 0:
        msg = f"{command}: exit code {result.exit_code}: {result.output}"
        raise ValueError(msg)
    return result.stdout.rstrip("\n")


def page(text: str) -> str:
    """A page with its blocks filled anew."""
    filled = _BLOCK.sub(lambda match: f"{match[1]}{printed(match['command'])}\n{match[4]}", text)
    return _CODES.sub(lambda match: f"{match[1]}\n{code_book()}{match[2]}", filled)


def rule_book() -> str:
    """docs/rules.md."""
    parts = [f"## {rule.id}\n\n*{rule.title}* · severity {rule.severity}\n\n```text\n{rule_document(rule)}\n```\n" for rule in rules()]
    return _RULES_PREFACE + "\n".join(parts) + "\n" + settings()


def settings() -> str:
    """What the advice of findings is made of, with the vendors' documents."""
    lines = [
        "## Settings of proxies and load balancers",
        "",
        "A finding lists these settings, first that of the product that was seen in the capture. Each links to its vendor's document.",
        "",
    ]
    for topic in Topic:
        rows = [f"- {product.name}: [{setting.text}]({setting.document})" for product, setting in with_setting(topic)]
        lines += [f"### {topic.value[0].upper()}{topic.value[1:]}", "", *rows, ""]
    lines += ["### Past the proxy", "", "The client's side:", "", *(f"- [{one.text}]({one.document})" for one in PAST_THE_PROXY), ""]
    return "\n".join(lines)


def limit_book() -> str:
    """docs/limits.md, out of the fields of `Limits`."""
    source = ast.parse((ROOT / "analyzer/settings.py").read_text(encoding="utf-8"))
    body = next(one for one in source.body if isinstance(one, ast.ClassDef) and one.name == "Limits").body
    rows = []
    for field, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        told = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        name = field.target.id
        rows.append(f"| `{name}` | {limit_value(name)} | {' '.join(str(told).split())} |")
    return _LIMITS_PREFACE + "\n".join(rows) + "\n"


def limit_value(name: str) -> str:
    """A default as people write it, with its unit where the name has one."""
    value = getattr(Limits(), name)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if not name.endswith("_bytes"):
        return f"{value:g} s" if name.endswith("_s") else f"{value:,}"
    for shift, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if value >= 1 << shift and value % (1 << shift) == 0:
            return f"{value >> shift} {unit}"
    return f"{value:,} bytes"


def command_book() -> str:
    """docs/commands.md."""
    top = click.Context(cli, info_name="winrm-analyzer", terminal_width=_HELP_WIDTH, **CONTEXT)
    parts = [_COMMANDS_PREFACE, "| command | does |", "|---|---|"]
    parts += [f"| [{name}](#{name}) | {command.get_short_help_str(limit=120)} |" for name, command in sorted(cli.commands.items())]
    parts += ["", "```text", cli.get_help(top), "```", ""]
    for name, command in sorted(cli.commands.items()):
        context = click.Context(command, info_name=name, parent=top, terminal_width=_HELP_WIDTH, **CONTEXT)
        parts += [f"## {name}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(parts)


def program_help(columns: int) -> str:
    """What ``--help`` prints on a terminal so wide."""
    context = click.Context(cli, info_name="winrm-analyzer", terminal_width=columns - 2, **CONTEXT)  # click leaves two columns free
    return cli.get_help(context) + "\n"


def documents() -> dict[Path, str]:
    """Every document that this file makes, as it should be; and the help that is printed before click is loaded."""
    made = {ROOT / f"analyzer/cli/help_{columns}.txt": program_help(columns) for columns in HELP_WIDTHS}
    made |= {
        ROOT / "docs/tables.md": document(),
        ROOT / "docs/rules.md": rule_book(),
        ROOT / "docs/commands.md": command_book(),
        ROOT / "docs/limits.md": limit_book(),
    }
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        if path not in made:
            made[path] = page(path.read_text(encoding="utf-8"))
    return made


def refresh(*, check: bool) -> list[Path]:
    """The documents that differ; written unless ``check``."""
    stale = [path for path, text in documents().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if not check:
        for path in stale:
            path.write_text(documents()[path], encoding="utf-8")
    return stale


if __name__ == "__main__":
    found = refresh(check="--check" in sys.argv[1:])
    for stale_path in found:
        print(stale_path.relative_to(ROOT))
    sys.exit(1 if found and "--check" in sys.argv[1:] else 0)
