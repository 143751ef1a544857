"""What an envelope that could be read means for shells (MS-WSMV 3.1.4.1.31, 2.2.4), and what becomes of them: shells, commands, their streams."""

from typing import NamedTuple

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
    """A piece of a command's stream as a person reads it; a tuple, since there are 10^6 of them. ``stream``: stdin, stdout, stderr (WinRS); output, error,
    warning, verbose, debug, information, progress, host, input (PowerShell)."""

    stream: str
    position: int
    ts_ns: int
    packets: tuple[int, ...]
    text: str
    size: int
    whole: bool = True
    """False when fragments of the object are not in the capture: the text is what there is of it."""


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
    outputs: tuple[Output, ...]
    user: str | None
    capture: int
    packets: tuple[int, ...]


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
