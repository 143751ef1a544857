"""What an envelope that could be read means for shells (MS-WSMV 3.1.4.1.31, 2.2.4), and what becomes of them: shells, commands, their streams."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, SupportsIndex, overload

from msgspec import Struct

from analyzer.records.forwarding import ForwardHalf
from analyzer.records.operations import CimHalf
from analyzer.records.sessions import ShellEvent, ShellFact


class StreamPiece(Struct, frozen=True, gc=False):
    """One ``rsp:Stream`` element: its name, the command it names (None: none), its bytes (decoded and decompressed), whether it is the stream's last."""

    name: str
    command_id: str | None
    data: bytes
    end: bool
    holes: tuple[tuple[int, int], ...] = ()
    """(offset in ``data``, size) of bytes that are not in the capture: zeros stand for them. Size 0: how many there were is not known."""


BETWEEN = "between"
"""Name of the operation that stands for requests and answers between two others of which the capture has nothing."""


class Missing(NamedTuple):
    """Something of a command, or of a shell, that is not in the capture. ``what``: command, input, output, answer, request, exchange, start. ``size``: bytes of
    it, None where that is not known. ``packets``: of the message that it is missing from, empty when there is none."""

    what: str
    size: int | None
    ts_ns: int
    packets: tuple[int, ...]
    unproved: bool = False
    """What there is of that message was decrypted, but without the missing bytes no signature proves it."""


class Operation(Struct, frozen=True, gc=False):
    """One envelope of a shell's life. Ids are upper case, as servers may change their case. ``ts_ns`` and ``packets`` are the message's.

    ``command`` and ``arguments`` belong to Command requests; ``state``/``exit_code`` to Receive responses; ``signal`` to Signal requests; ``creation`` is the
    decoded ``creationXml`` of a PowerShell shell.
    """

    message: str
    exchange: str
    from_client: bool
    ts_ns: int
    packets: tuple[int, ...]
    name: str
    resource_uri: str | None = None
    shell_id: str | None = None
    command_id: str | None = None
    command: str | None = None
    arguments: tuple[str, ...] = ()
    streams: tuple[StreamPiece, ...] = ()
    state: str | None = None
    exit_code: int | None = None
    signal: str | None = None
    creation: bytes = b""
    code_page: int | None = None
    fault_code: str | None = None
    status: int | None = None
    """The HTTP status of the exchange's response, None when there is none in the capture."""
    missing: int | None = 0
    """Bytes of the message's body that are not in the capture; None: how many is not known."""
    unproved: bool = False
    """It was decrypted out of a body that lacks bytes, so that no signature proves it."""
    lost: bool = False
    """Nothing of the message could be read, but it was sent: it stands for what it would have said."""
    exchanges: tuple[str, ...] = ()
    """All exchanges that show this message, where several do (both sides of a proxy, several capture points); else empty."""
    order_ns: int | None = None
    """The time by the clock that all captures are compared by; None: as ``ts_ns``."""
    said: tuple[tuple[str | None, tuple[tuple[str, str], ...]], ...] = ()
    """Properties of shells that the message tells, as (name, value), by the shell's id; None: of the shell that the message is about."""


class Said(Struct, frozen=True, gc=False):
    """What a clear message says, worked out where its envelope is described, so that nobody reads its body again; of a body that is whole, neither packed nor
    with packed streams. ``operation``: of a shell, or (``by_method``) a command line that a method of a CIM class gets; ``listing``: shells that a server
    lists."""

    operation: Operation | None = None
    by_method: bool = False
    cim: CimHalf | None = None
    forwarded: ForwardHalf | None = None
    listing: Operation | None = None


class Output(NamedTuple):
    """A piece of a command's stream as a person reads it. ``stream``: stdin, stdout, stderr (WinRS); output, error,
    warning, verbose, debug, information, progress, host, input (PowerShell)."""

    stream: str
    position: int
    ts_ns: int
    packets: tuple[int, ...]
    text: str
    size: int
    whole: bool = True
    """False when bytes or fragments of it are not in the capture: the text is what there is of it, and says where it lacks something."""
    missing: int | None = 0
    """Bytes of it that are not in the capture; None: how many is not known."""
    unproved: bool = False
    """It was decrypted out of a body that lacks bytes, so that no signature proves it."""
    types: str | None = None
    """PowerShell: the names of its types, nearest first, comma-joined."""
    json: str | None = None
    """PowerShell: the object's properties as JSON; None of plain values, whose text is all there is, and beyond the limit."""


class OutputRun(Struct, frozen=True, gc=False):
    """Outputs of one stream that came in one message, in order: where each text ends in ``text``, and each one's size. Of 10^6 outputs there are 10^4 runs."""

    stream: str
    ts_ns: int
    packets: tuple[int, ...]
    text: str
    ends: Sequence[int]
    sizes: Sequence[int]
    whole: bool = True
    holes: tuple[tuple[int, int], ...] = ()
    """(offset in ``text``, bytes) of each place where bytes are missing and the text says so in brackets; 0 bytes: not known. Only a run of one output has
    them."""
    unproved: bool = False
    types: str | None = None
    json: str | None = None
    """Of the one output of the run; see `Output`."""

    @property
    def missing(self) -> int | None:
        """Bytes that are not in the capture; None: how many is not known."""
        if not self.holes:
            return 0 if self.whole else None
        if all(size for _, size in self.holes):
            return sum(size for _, size in self.holes)
        return None


class Outputs(Sequence[Output]):
    """A command's outputs in order of time, made of ``runs`` when they are asked for. It equals any sequence of the same outputs."""

    __slots__ = ("runs",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, runs: Sequence[OutputRun] = ()) -> None:
        self.runs = tuple(runs)

    def __len__(self) -> int:
        return sum(len(run.sizes) for run in self.runs)

    def __bool__(self) -> bool:
        return bool(self.runs) and any(run.sizes for run in self.runs)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Output: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Output]: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Output | Sequence[Output]:
        if isinstance(place, slice):
            return tuple(self)[place]
        wanted = range(len(self))[place]
        return next(islice(self, wanted, None))

    def __iter__(self) -> Iterator[Output]:
        return self.of(None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __repr__(self) -> str:
        return f"Outputs{tuple(self)!r}"

    def of(self, streams: Collection[str] | None) -> Iterator[Output]:
        """Those of some streams (None: of all), with their positions among all."""
        position = 1
        for run in self.runs:
            if streams is None or run.stream in streams:
                begin, missing = 0, run.missing
                for place, (end, size) in enumerate(zip(run.ends, run.sizes, strict=True), position):
                    yield Output(run.stream, place, run.ts_ns, run.packets, run.text[begin:end], size, run.whole, missing, run.unproved, run.types, run.json)
                    begin = end
            position += len(run.sizes)


def outputs_of(outputs: Sequence[Output], streams: Collection[str]) -> Iterator[Output]:
    """The outputs of some streams, without making those of the others."""
    return outputs.of(streams) if isinstance(outputs, Outputs) else (output for output in outputs if output.stream in streams)


class Command(Struct, frozen=True, gc=False):
    """A WinRS command or a PowerShell pipeline. ``id`` as the protocol has it, with ``#2`` and so on where a shell uses it again.

    ``decoded``: what an encoded command line or script layer holds; None when nothing is encoded.

    ``state`` is the last one seen, or ``refused``: the server answered the request with an error and did not run it.
    """

    id: str
    shell: str
    kind: str
    text: str
    decoded: str | None
    first_ns: int
    last_ns: int
    exit_code: int | None
    state: str | None
    outputs: Sequence[Output]
    user: str | None
    capture: int
    packets: tuple[int, ...]
    asked_from: str | None = None
    """The address of the client that asked for it."""
    asked_as: str | None = None
    """The account that this client logged on with; None where it did not, or no key shows it."""
    ran_as: str | None = None
    """The account that the server's connection was logged on with at that moment."""
    server: str = ""
    """The address of the server that it ran on."""
    exchanges: tuple[str, ...] = ()
    """The exchanges whose request began it, the client's own first; empty when its beginning is not in the capture."""
    missing: tuple[Missing, ...] = ()
    """What of it is known not to be in the capture, in order of time."""
    holes: tuple[tuple[int, int], ...] = ()
    """(offset in ``text``, bytes) of each place where bytes of its text are missing; 0 bytes: not known."""
    unproved: bool = False
    """Its text was decrypted out of a body that lacks bytes, so that no signature proves it."""
    number_sure: bool = True
    """False where its id was used before and something between the uses is missing, in which one more may have been: its number may be too low."""
    nested: bool = False
    """PowerShell: it ran inside of another pipeline that waited for it (a nested prompt, a debugger)."""
    undecoded: tuple[str, ...] = ()
    """A sentence for each limit that was reached in decoding its layers."""

    @property
    def complete(self) -> bool:
        """Nothing of it is known to be missing."""
        return not self.missing

    @property
    def missing_bytes(self) -> int | None:
        """Bytes that are known to be missing; None where the capture does not tell how many."""
        return missing_bytes(self.missing)


def missing_bytes(missing: Sequence[Missing]) -> int | None:
    """Their sum; None when one of them does not tell."""
    sizes = [one.size for one in missing if one.size is not None]
    return sum(sizes) if len(sizes) == len(missing) else None


class Shell(Struct, frozen=True, gc=False):
    """A shell of a client on a server. ``kind``: winrs, powershell, cim or events."""

    id: str
    kind: str
    user: str | None
    client: str
    server: str
    first_ns: int
    last_ns: int
    connections: tuple[str, ...]
    commands: tuple[str, ...]
    resource_uri: str | None
    capture: int
    packets: tuple[int, ...]
    asked_from: str | None = None
    asked_as: tuple[str, ...] = ()
    """The accounts that clients of its requests had logged on with, in order."""
    ran_as: tuple[str, ...] = ()
    """The accounts that the server's connections were logged on with at those moments, in order."""
    exchanges: tuple[str, ...] = ()
    """The exchanges of its requests."""
    missing: tuple[Missing, ...] = ()
    """What of it, outside of its commands, is known not to be in the capture."""
    cut: int = 0
    """Objects of PowerShell that are longer than `Limits.object_bytes`; what is shown is their beginning."""
    facts: tuple[ShellFact, ...] = ()
    """What client and server say of it, in order of time."""
    events: tuple[ShellEvent, ...] = ()
    """What was done to it as a whole, in order of time."""
    unparsed: int = 0
    """Objects of PowerShell whose properties are not given as JSON, as the shell's objects come to more than a limit; their text is there."""
    untold: tuple[str, ...] = ()
    """A sentence for each limit that was reached in what is known of the shell itself."""
    strange: tuple[str, ...] = ()
    """A sentence for each kind of message that no client or server sends so."""
