"""What an envelope that could be read means for shells (MS-WSMV 3.1.4.1.31, 2.2.4), and what becomes of them: shells, commands, their streams."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, SupportsIndex, overload

from msgspec import Struct


class StreamPiece(Struct, frozen=True, gc=False):
    """One ``rsp:Stream`` element: its name, the command it names (None: none), its bytes (decoded and decompressed), whether it is the stream's last."""

    name: str
    command_id: str | None
    data: bytes
    end: bool


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
    """False when fragments of the object are not in the capture: the text is what there is of it."""


class OutputRun(Struct, frozen=True, gc=False):
    """Outputs of one stream that came in one message, in order: where each text ends in ``text``, and each one's size. Of 10^6 outputs there are 10^4 runs."""

    stream: str
    ts_ns: int
    packets: tuple[int, ...]
    text: str
    ends: Sequence[int]
    sizes: Sequence[int]
    whole: bool = True


class Outputs(Sequence[Output]):
    """A command's outputs in order of time, made of ``runs`` when they are asked for. It equals any sequence of the same outputs."""

    __slots__ = ("runs",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, runs: Sequence[OutputRun] = ()) -> None:
        self.runs = tuple(runs)

    def __len__(self) -> int:
        return sum(len(run.sizes) for run in self.runs)

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
                begin = 0
                for place, (end, size) in enumerate(zip(run.ends, run.sizes, strict=True), position):
                    yield Output(run.stream, place, run.ts_ns, run.packets, run.text[begin:end], size, run.whole)
                    begin = end
            position += len(run.sizes)


def outputs_of(outputs: Sequence[Output], streams: Collection[str]) -> Iterator[Output]:
    """The outputs of some streams, without making those of the others."""
    return outputs.of(streams) if isinstance(outputs, Outputs) else (output for output in outputs if output.stream in streams)


class Command(Struct, frozen=True, gc=False):
    """A WinRS command or a PowerShell pipeline. ``decoded``: what an encoded command line or script layer holds; None when nothing is encoded.

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
