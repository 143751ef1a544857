"""What must not be shown: passwords as their usual forms in commands tell, and wherever they stand the values that the investigator gave.

`Mask.result` is the one place: every report, table and export is made of the result that it gives, and `Mask.cells` does the same for cells out of a folder. A
value is found as it is and in the encodings in which it travels (`spellings`). Two things stay as they are: identities and closed words of our own
(`OURS`), and, in fields that hold a name, a value that is also the user's name in the investigator's file: a user called vagrant whose password is vagrant is
still called vagrant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from analyzer.records.auth import Conversation, Identity, NtlmToken, Token
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.http import CREDENTIALS, Exchange, Header, Request, Response
from analyzer.records.issues import Issue
from analyzer.records.proxy import Scorecard
from analyzer.records.result import Result
from analyzer.records.sealing import Message
from analyzer.records.wsman import Command, Output, Shell
from analyzer.reports import typed_json
from analyzer.reports.spans import STARS, Span, found_in, merged, part, without
from analyzer.reports.spellings import SHORTEST, forms, has_run
from analyzer.reports.typed_late import arguments_in, dialect_of, inside, learned, secrets_in
from analyzer.tables.column import ByColumn, Table, Value, columns_through, through

if TYPE_CHECKING:
    from analyzer.reports.typed import Dialect

_SHORTEST_KEY = 8  # bytes
_INPUTS = ("stdin", "input")
_LINES = {"commands": ("kind", ("winrs", "powershell", "cim")), "streams": ("stream", _INPUTS), "timeline": ("table", ("commands",))}
"""Which rows of a table hold command lines or input, by a column and its values."""
_COMMAND_LINES = ("text", "text_decoded", "message")
_REMEMBERED, _MOST_REMEMBERED = 300, 100_000
"""Characters of a text whose masked form is kept, and how many are."""
_MOST_HEADS = 4096
"""Heads (mostly equal ones are one object) whose masked form is kept."""
_QUOTED = re.compile("\u201c([^\u201d]*+)(\u201d|\\Z)")
"""What a finding quotes of a command line; rules put it in these marks (`rules.attack`)."""
_LONG = 1000
"""Characters of a long text."""
_HEX = r"[0-9A-Fa-f]{8,}"
_BLOB = r"[A-Za-z0-9+/_-]{24,}=*"
_SCHEME = r"[A-Za-z-]{0,20}"
"""An authentication scheme by itself, as in an offer."""


class Mask:
    """Takes secrets out of texts. ``values`` are passwords as text, ``keys`` the bytes of keys, ``names`` the users that the passwords belong to.

    ``logged`` are the secrets of key logs, of which there can be many: as they are only ever written in hexadecimal digits, no other form is looked for.
    ``strict``: of command lines and what was typed in, nothing but the names of programs is shown.
    """

    def __init__(
        self, values: Iterable[str] = (), keys: Iterable[bytes] = (), names: Iterable[str] = (), logged: Iterable[bytes] = (), *, strict: bool = False
    ) -> None:
        self.strict = strict
        self._values = sorted({value for value in values if len(value) >= SHORTEST})
        self._keys = sorted({bytes(key) for key in keys if len(key) >= _SHORTEST_KEY})
        self._names = frozenset(name.casefold() for name in names)
        self._forms, digits = forms(self._values, self._keys)
        self._digits = digits | {bytes(key).hex() for key in logged}
        apart = [value for value in self._values if value.casefold() not in self._names]
        self._named_forms = self._forms if len(apart) == len(self._values) else forms(apart, self._keys)[0]
        self._sizes = sorted({len(one) for one in self._digits})
        self._seen: dict[tuple[str, str], str] = {}
        self._fields: dict[tuple[str, str], tuple[str, str]] = {}
        self._heads: dict[int, tuple[tuple[Header, ...], tuple[Header, ...]]] = {}  # with the object, as the number of one that is gone is given to another
        self._secrets: dict[tuple[str, str | None, str], tuple[str, ...]] = {}

    def __repr__(self) -> str:
        return f"<Mask: {len(self._values)} passwords, {len(self._digits)} keys>"

    @property
    def knows(self) -> bool:
        """Values were given that have to be hidden wherever they stand."""
        return bool(self._forms or self._digits)

    def known(self, text: str) -> str:
        """The text without the values that were given."""
        return self._filtered("known", text, lambda: self._known(text, self._forms))

    def typed(self, text: str) -> str:
        """The text without them, and without what looks like a secret, best effort."""
        return self._filtered("typed", text, lambda: (*self._known(text, self._forms), *secrets_in(text)))

    def line(self, text: str, kind: str) -> str:
        """A command line or script of a shell of this ``kind``, or what was sent to its input; under ``strict`` without its arguments."""
        dialect = dialect_of(kind)
        return self._filtered(f"line {kind}", text, lambda: (*self._known(text, self._forms), *self._typed(text, dialect)))

    def body(self, text: str) -> str:
        """The body of a message; under ``strict`` nothing of it, as command lines lie in it in pieces."""
        return STARS if self.strict else self.typed(text)

    def started(self, text: str) -> str:
        """The command line of a process that a host logged; under ``strict`` without its arguments."""
        return self.line(text, "winrs") if self.strict else self.typed(text)

    def json(self, text: str) -> str:
        """What a CIM operation carries, as JSON; under ``strict`` nothing of it."""
        return STARS if self.strict else typed_json.json_without(text, self.typed)

    def astride(self, pieces: Sequence[tuple[str, bytes]]) -> set[str]:
        """Which bodies (name, what each carries of one stream) have only a part of a secret, so that `body` cannot find it there."""
        from analyzer.reports.typed.astride import astride

        return astride(pieces, lambda text: (*secrets_in(text), *self._known(text, self._forms)))

    def having_read(self, commands: Iterable[Command]) -> Mask:
        """The same, which knows the secrets in these commands wherever else they stand: bodies are masked one by one."""
        words = learned(word for one in commands for word in self._inside(one))
        return Mask((*self._values, *words), self._keys, self._names, map(bytes.fromhex, self._digits), strict=self.strict)

    def _typed(self, text: str, dialect: Dialect | None) -> Iterator[Span]:
        return arguments_in(text, dialect) if self.strict else secrets_in(text, dialect)

    def quoting(self, text: str) -> str:
        """A sentence of ours, in which what it quotes of a command line is masked as the command line is."""
        return self.known(_QUOTED.sub(lambda found: f"\u201c{self.line(found[1], '')}\u201d" if found[2] else found[0], text))

    def named(self, text: str) -> str:
        """A name without the values that were given, but for those that are the user's name."""
        return self._filtered("named", text, lambda: self._known(text, self._named_forms))

    def _filtered(self, how: str, text: str, spans: Callable[[], Iterable[Span]]) -> str:
        """Short texts come again and again (targets, header fields)."""
        if how in ("known", "named") and not (self._forms or self._digits):
            return text
        if len(text) > _REMEMBERED:
            return without(text, spans())
        if (how, text) not in self._seen:
            if len(self._seen) >= _MOST_REMEMBERED:
                self._seen.clear()
            self._seen[how, text] = without(text, spans())
        return self._seen[how, text]

    def across(self, pieces: Sequence[str]) -> list[str]:
        """Texts that follow one another, `typed` as one: a secret may stand astride two of them."""
        whole = "".join(pieces)
        return self._apart(whole, pieces, secrets_in(whole), 0)

    def _apart(self, whole: str, pieces: Sequence[str], typed: Iterable[Span], between: int) -> list[str]:
        spans = merged([*self._known(whole, self._forms), *typed])
        if not spans:
            return list(pieces)
        made, at = [], 0
        for piece in pieces:
            made.append(part(whole, at, at + len(piece), spans))
            at += len(piece) + between
        return made

    def result(self, result: Result) -> Result:
        """The result without secrets in any text that comes from a capture, and what is said of it."""
        commands = tuple(self._command(one) for one in result.commands)
        shells = tuple(self._shell(one) for one in result.shells)
        evidence = self._evidence(result.evidence, commands, shells)
        return replace(self._judged(result), evidence=evidence, commands=commands, shells=shells)

    def told(self, result: Result) -> Result:
        """The result for what shows findings, issues, scorecards and who authenticated, and only counts the rest: exchanges, messages, shells and commands are
        as they were captured, and no text of theirs may be shown."""
        evidence = result.evidence
        talks, talks_of = self._talks(evidence)
        issues = tuple(self._issue(one) for one in evidence.issues)
        evidence = replace(evidence, conversations=talks, conversations_of=talks_of, issues=issues)
        return replace(self._judged(result), evidence=evidence)

    def _judged(self, result: Result) -> Result:
        incidents = tuple([replace(one, title=self.known(one.title), change=self.known(one.change)) if self.knows else one for one in result.incidents])
        learnt = Mask(learned(value for one in result.commands for value in self._inside(one)) if any("\u201c" in one.why for one in result.findings) else ())
        findings, cards = tuple([learnt._finding(self._finding(one)) for one in result.findings]), tuple(map(self._card, result.scorecards))
        return replace(result, findings=findings, scorecards=cards, incidents=incidents, diagnosis=tuple(map(self.known, result.diagnosis)))

    def cells(self, table: Table[Any], rows: list[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
        """The rows without secrets, by the name of the column: all texts but for `typed_json.OURS`."""
        if self.strict and table.name in _LINES:
            rows = [self._stripped(table.names, row, *_LINES[table.name]) for row in rows]
        return through(self._filters(table), rows)

    def columns(self, table: Table[Any], columns: ByColumn) -> ByColumn:
        """The same of cells column by column."""
        if self.strict and table.name in _LINES and columns.cells[0]:
            rows = self.cells(table, list(zip(*columns.cells, strict=True)))
            return ByColumn([list(cells) for cells in zip(*rows, strict=True)])
        return columns_through(self._filters(table), columns)

    def _filters(self, table: Table[Any]) -> dict[int, Callable[[str], str]]:
        """What goes over the texts of which column, by its place."""
        typed = typed_json.TYPED.get(table.name, ())
        filters: dict[int, Callable[[str], str]] = {}
        for place, name in enumerate(table.names):
            if table.name == "findings" and name in ("title", "why"):
                filters[place] = self.quoting
            elif (table.name, name) in typed_json.REPEATING:
                filters[place] = self.body if table.name == "events" else self.started
            elif name in typed:
                filters[place] = self.json if table.name == "operations" or name in typed_json.JSON_COLUMNS else self.typed
            elif name not in typed_json.OURS and self.knows:
                filters[place] = self.named if name in typed_json.NAMES else self.known
        return filters

    def _stripped(self, names: Sequence[str], row: tuple[Value, ...], told_by: str, values: Sequence[str]) -> tuple[Value, ...]:
        """A row of which ``told_by`` tells that its typed columns are command lines or input, without their arguments."""
        kind = row[names.index(told_by)]
        if kind not in values:
            return row
        return tuple(self.line(cell, str(kind)) if isinstance(cell, str) and name in _COMMAND_LINES else cell for name, cell in zip(names, row, strict=True))

    def _evidence(self, evidence: Evidence, commands: tuple[Command, ...], shells: tuple[Shell, ...]) -> Evidence:
        changed = {one.id: made for one in evidence.exchanges.values() if (made := self._exchange(one)) is not one}
        talks, talks_of = self._talks(evidence)
        of = evidence.exchanges_of
        return replace(
            evidence,
            exchanges={name: changed.get(one.id, one) for name, one in evidence.exchanges.items()} if changed else evidence.exchanges,
            exchanges_of={name: tuple([changed.get(one.id, one) for one in own]) for name, own in of.items()} if changed else of,
            messages={name: self._message(one) for name, one in evidence.messages.items()} if self.knows else evidence.messages,
            conversations=talks,
            conversations_of=talks_of,
            issues=tuple(self._issue(one) for one in evidence.issues),
            commands=commands,
            shells=shells,
            operations=tuple(typed_json.operation_without(one, self.json, self._maybe) for one in evidence.operations),
            forwarding=typed_json.forwarding_without(evidence.forwarding, self.json, self.typed, self._maybe),
            host_logs=typed_json.logs_without(evidence.host_logs, self.json, self.started, self._maybe),
        )

    def _talks(self, evidence: Evidence) -> tuple[tuple[Conversation, ...], dict[str, tuple[Conversation, ...]]]:
        """The conversations, all and by connection."""
        if not self.knows:
            return evidence.conversations, dict(evidence.conversations_of)
        talks = {one.id: self._conversation(one) for one in evidence.conversations}
        by_connection = {name: tuple(talks.get(one.id, one) for one in own) for name, own in evidence.conversations_of.items()}
        return tuple(talks[one.id] for one in evidence.conversations), by_connection

    def _command(self, one: Command) -> Command:
        decoded = None if one.decoded is None else self.line(one.decoded, "powershell")
        text = self.line(one.text, one.kind)
        if decoded != one.decoded and not self.strict:
            text = self._encoded(one.text, text, one.decoded or "")
        outputs, user = self._outputs(one), self._maybe(one.user)
        if outputs is one.outputs and (text, decoded, user) == (one.text, one.decoded, one.user):
            return one
        return replace(one, text=text, decoded=decoded, outputs=outputs, user=user)

    def _inside(self, one: Command) -> tuple[str, ...]:
        """The secrets in a command. The same command comes again and again."""
        if len(one.text) + len(one.decoded or "") > _REMEMBERED:
            return tuple(inside(one))
        known = self._secrets.get(key := (one.text, one.decoded, one.kind))
        if known is None:
            if len(self._secrets) >= _MOST_REMEMBERED:
                self._secrets.clear()
            known = self._secrets[key] = tuple(inside(one))
        return known

    def _outputs(self, one: Command) -> Sequence[Output]:
        """Streams of bytes run on from piece to piece; an object is a text of its own, on a line of its own. What was typed in is a command line."""
        outputs = tuple(one.outputs)
        if not outputs:
            return one.outputs
        from analyzer.reports.transcript import BYTE_STREAMS
        from analyzer.reports.typed.programs import reads_secret

        learnt = [word for word in one.text.split()[1:] if len(word) >= SHORTEST] if self.strict else learned(self._inside(one))
        made, secret_input = list(outputs), reads_secret(one.text)
        for stream in sorted({one.stream for one in outputs}):
            places = [place for place, output in enumerate(outputs) if output.stream == stream]
            pieces = [outputs[place].text for place in places]
            between = "" if stream in BYTE_STREAMS else "\n"
            whole = between.join(pieces)
            spans = ((0, len(whole)),) if stream in _INPUTS and secret_input else self._typed(whole, None) if stream in _INPUTS else secrets_in(whole)
            for place, text in zip(places, self._apart(whole, pieces, (*spans, *found_in(whole, learnt)), len(between)), strict=True):
                if text != outputs[place].text:
                    made[place] = outputs[place]._replace(text=text)
        hidden = (*(_INPUTS if secret_input else ()), *(("host",) if self.strict else ()))
        made = typed_json.objects_without(made, self.json, self.typed, Mask(learnt).known, hidden)
        return one.outputs if all(new is old for new, old in zip(made, outputs, strict=True)) else tuple(made)

    def _encoded(self, original: str, text: str, decoded: str) -> str:
        """A command line of which a decoded layer holds a secret that was not found in it as it stands: all that is encoded is hidden."""
        inside = [decoded[begin:end].strip("\"'") for begin, end in (*secrets_in(decoded), *self._known(decoded, self._forms))]
        hidden = Mask(inside).known(text)
        from analyzer.reports.typed.layers import INFLATED_IN_ALL, in_layers

        found = next(in_layers(original, secrets_in, [INFLATED_IN_ALL]), None) is not None or hidden != text
        return hidden if found else re.sub(_BLOB, STARS, hidden)

    def _shell(self, one: Shell) -> Shell:
        return typed_json.shell_without(one, self.json, self.typed, self._maybe)

    def _finding(self, one: Finding) -> Finding:
        if not self.knows and "\u201c" not in one.title and "\u201c" not in one.why:
            return one  # nothing of it is quoted, and nothing was given that it could hold
        return replace(one, title=self.quoting(one.title), why=self.quoting(one.why), advice=self.known(one.advice), user=self._maybe(one.user))

    def _issue(self, one: Issue) -> Issue:
        detail = self.known(one.detail)
        return one if detail == one.detail else replace(one, detail=detail)

    def _exchange(self, one: Exchange) -> Exchange:
        request, response = one.request, one.response
        if isinstance(request, Request):
            target = self.typed(request.target)
            fields = self.fields(request.headers)
            if (target, fields) != (request.target, request.headers):
                request = replace(request, target=target, headers=fields)
        if isinstance(response, Response):
            reason, fields = self.known(response.reason), self.fields(response.headers)
            if (reason, fields) != (response.reason, response.headers):
                response = replace(response, reason=reason, headers=fields)
        return one if request is one.request and response is one.response else replace(one, request=request, response=response)

    def fields(self, fields: tuple[Header, ...]) -> tuple[Header, ...]:
        """Header fields as they may be shown: of credentials and tokens only the scheme."""
        known = self._heads.get(id(fields))
        if known is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            made = tuple([self._field(header) for header in fields])
            known = self._heads[id(fields)] = fields, fields if made == fields else made
        return known[1]

    def _field(self, header: Header) -> Header:
        name, value = header.name, header.value
        known = self._fields.get((name, value))
        if known is None:
            if len(self._fields) >= _MOST_REMEMBERED:
                self._fields.clear()
            known = self._fields[name, value] = self.known(name), self._value(name.lower(), value)
        return header if known == (name, value) else Header(*known, header.at)

    def _value(self, name: str, value: str) -> str:
        if name not in CREDENTIALS:
            return self.known(value)
        if name.endswith("cookie"):
            return STARS
        scheme, _, rest = value.strip().partition(" ")
        if not rest:
            return self.known(value) if re.fullmatch(_SCHEME, scheme) else STARS
        return self.known(value) if rest.lower().startswith("realm=") else f"{self.known(scheme)} {STARS}"

    def _message(self, one: Message) -> Message:
        if not self.knows:
            return one
        texts = (self._maybe(one.action), self._maybe(one.resource_uri), self._maybe(one.fault_code))
        operation = self.known(one.operation) if isinstance(one.operation, str) else one.operation
        if (*texts, operation) == (one.action, one.resource_uri, one.fault_code, one.operation):
            return one
        return replace(one, action=texts[0], resource_uri=texts[1], fault_code=texts[2], operation=operation)

    def _card(self, one: Scorecard) -> Scorecard:
        if not self.knows:
            return one
        return replace(one, product=self._maybe(one.product), checks=tuple(replace(check, detail=self.known(check.detail)) for check in one.checks))

    def _token(self, token: Token) -> Token:
        ntlm = token.ntlm
        if isinstance(ntlm, NtlmToken):
            ntlm = replace(ntlm, user=self._maybe(ntlm.user))
        return replace(token, user=self._maybe(token.user), ntlm=ntlm)

    def _conversation(self, one: Conversation) -> Conversation:
        steps = tuple(replace(step, token=None if step.token is None else self._token(step.token)) for step in one.steps)
        client = Identity(self._maybe(one.client.user), self._maybe(one.client.domain), self._maybe(one.client.workstation))
        spn, realm, target, server = (self._maybe(name) for name in (one.spn, one.realm, one.target_name, one.server_name))
        return replace(one, client=client, steps=steps, spn=spn, realm=realm, target_name=target, server_name=server)

    def _maybe(self, text: str | None) -> str | None:
        return None if text is None else self.named(text)

    def _known(self, text: str, forms: Sequence[tuple[str, str, str]]) -> Iterator[Span]:
        for before, form, after in forms:
            at = text.find(form)
            while at >= 0:
                yield max(0, at - len(before)), min(len(text), at + len(form) + len(after))
                at = text.find(form, at + 1)
        if self._digits and (len(text) < _LONG or has_run(text, self._sizes[0])):
            for run in re.finditer(_HEX, text):
                yield from self._keys_in(run[0].lower(), run.start())

    def _keys_in(self, run: str, start: int) -> Iterator[Span]:
        for size in self._sizes:
            for at in range(len(run) - size + 1):
                if run[at : at + size] in self._digits:
                    yield start + at, start + at + size


def masked(text: str) -> str:
    """The text without what looks like a password."""
    return without(text, secrets_in(text))
