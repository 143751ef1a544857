"""A command while it is put together: its text, its state, what went in and came out of it, and what of it is not in the capture."""

import codecs
from collections.abc import Sequence

from msgspec import Struct

from analyzer.formats.holes import HOLE, UNKNOWN, Holed, shown
from analyzer.psrp.layers import opened
from analyzer.records.wsman import Command, Missing, Operation, OutputRun, Outputs

_INPUTS = frozenset({"stdin", "input"})


class Building(Struct, gc=False):
    """One use of a command's id. ``begun``: the request that begins a command was seen; ``arguments`` are those of that request. A shell may have a million:
    what most have nothing of is made when there is something. Nothing in it leads back to it."""

    id: str
    first_ns: int
    last_ns: int
    packets: tuple[int, ...]
    text: str = ""
    begun: bool = False
    arguments: tuple[str, ...] = ()
    exit_code: int | None = None
    state: str | None = None
    user: str | None = None
    exchanges: tuple[str, ...] = ()
    unproved: bool = False
    nested: bool = False
    outputs: list[OutputRun] | None = None
    missing: list[Missing] | None = None
    decoders: dict[str, codecs.IncrementalDecoder] | None = None

    @property
    def used(self) -> bool:
        """Something is known of it that only comes after a command's beginning, or that beginning itself."""
        return self.begun or bool(self.outputs) or self.state is not None

    def begin(self, operation: Operation, user: str | None) -> None:
        """The request that begins it."""
        self.begun = True
        self.first_ns = min(self.first_ns, operation.ts_ns) if self.text else operation.ts_ns
        self.packets = operation.packets
        self.arguments = operation.arguments
        self.exchanges = operation.exchanges or (operation.exchange,)
        self.unproved = operation.unproved
        self.user = user or self.user

    def seen(self, operation: Operation) -> None:
        """Something was said of it."""
        self.last_ns = max(self.last_ns, operation.ts_ns)

    def add(
        self, stream: str, text: str, size: int, operation: Operation, *, unproved: bool = False, types: str | None = None, json: str | None = None
    ) -> None:
        """A piece of a stream, whose text may have holes."""
        told, holes = shown(text)
        unproved = unproved or operation.unproved
        if self.state == "refused" and stream not in _INPUTS and not operation.from_client:
            self.state = None  # a server that sends its output ran it, whatever its answer said
        self.put_out(OutputRun(stream, operation.ts_ns, operation.packets, told, (len(told),), (size,), not holes, holes, unproved, types, json))

    def put_out(self, run: OutputRun) -> None:
        """Pieces of a stream."""
        if self.outputs is None:
            self.outputs = [run]
        else:
            self.outputs.append(run)

    def lacks(self, what: str, size: int | None, operation: Operation) -> None:
        """Something of it is not in the capture."""
        if self.missing is None:
            self.missing = []
        self.missing.append(Missing(what, size, operation.ts_ns, operation.packets, operation.unproved))

    def decoded(self, name: str, found: Holed, code_page: int | None, operation: Operation, *, last: bool) -> None:
        """A piece of a byte stream."""
        if self.decoders is None:
            self.decoders = {}
        decoder = self.decoders.get(name)
        if decoder is None:
            decoder = self.decoders[name] = _decoder(code_page, found.data)
        text, at = "", 0
        for where, size in found.holes:
            text += decoder.decode(found.data[at:where], final=True) + (HOLE * size if size else UNKNOWN)
            at = where + size
        text += decoder.decode(found.data[at:], last)
        if found.data or found.holes:
            self.add(name, text, len(found.data), operation)


def finished(building: Building, number: int, shell: str, kind: str, server: str, capture: int, user: str | None, *, sure: bool = True) -> Command:
    """The record of the ``number``-th use of the id in its shell; that it is not a later one is ``sure``."""
    text, holes = shown(building.text)
    layers = opened(text)
    runs = building.outputs or ()
    outputs = Outputs(runs if len(runs) < 2 else sorted(runs, key=lambda run: run.ts_ns))  # what was put together last may have begun before
    return Command(
        id=building.id if number == 1 else f"{building.id}#{number}",
        shell=shell,
        kind=kind,
        text=text,
        decoded=layers.text,
        undecoded=layers.reached,
        first_ns=building.first_ns,
        last_ns=building.last_ns,
        exit_code=building.exit_code,
        state=building.state,
        outputs=outputs,
        user=building.user or user,
        capture=capture,
        packets=building.packets,
        server=server,
        exchanges=building.exchanges,
        missing=tuple(_missing(building, outputs.runs)),
        holes=holes,
        unproved=building.unproved,
        nested=building.nested,
        number_sure=sure,
    )


def _missing(building: Building, runs: Sequence[OutputRun]) -> list[Missing]:
    """What is known to be missing, in order of time; an output that lacks something without a message that does is one that lacks fragments."""
    whole = not runs or False not in [run.whole for run in runs]
    if whole and building.text and building.text.isascii() and not building.missing:  # a hole is no letter of ASCII
        return []
    found = list(building.missing or ())
    if not building.text:
        found.append(Missing("start", None, building.first_ns, ()))
    elif shown(building.text)[1] and not any(one.what == "command" for one in found):
        found.append(Missing("command", None, building.first_ns, building.packets))
    told = {one.what for one in found}
    for run in runs:
        what = "input" if run.stream in _INPUTS else "output"
        if not run.whole and what not in told and not ("answer" in told and what == "output"):
            found.append(Missing(what, run.missing, run.ts_ns, run.packets))
    return sorted(found, key=lambda one: one.ts_ns)


def _decoder(code_page: int | None, data: bytes) -> codecs.IncrementalDecoder:
    """The shell's code page; without one UTF-8, or the original OEM code page for bytes that are not."""
    name = "utf-8" if code_page in (None, 65001) else f"cp{code_page}"
    if code_page is None:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.end < len(data):
                name = "cp437"
    try:
        return codecs.getincrementaldecoder(name)("replace")
    except LookupError:
        return codecs.getincrementaldecoder("latin-1")("replace")
