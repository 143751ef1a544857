"""Records in a file, and back: what a case folder holds besides its tables, so that it can answer without the captures.

MessagePack by msgspec, compressed by Zstandard. Whatever is read is checked against the types of the records: a file can hold nothing but them, and one that
does not fit is an `InputError`. A field that a later version adds has its default.
"""

import re
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from analyzer.errors import InputError
from analyzer.records.capture import Capture, Flow, IcmpError
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.hashes import HashLine
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.incident import Incident
from analyzer.records.issues import Issue
from analyzer.records.proxy import Scorecard
from analyzer.records.result import Result
from analyzer.records.transport import Connection, Stream
from analyzer.records.wsman import Outputs

Read = TypeVar("Read")
Clean = Callable[[str], str]

_MOST_BYTES = 4 << 30
"""Bytes of a file once decompressed: larger ones are refused."""
_LEVEL = 3
_LONE = re.compile("[\ud800-\udfff]")
_STARTS = (b"<", b"--", b"\xef\xbb\xbf<")


class Kept(Struct, frozen=True, gc=False):
    """A result without what can be made of the rest again (look-ups), and without the lines that rules quote."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    auth_steps: dict[str, str]
    scorecards: tuple[Scorecard, ...]
    incidents: tuple[Incident, ...]
    diagnosis: tuple[str, ...]
    winrm: tuple[str, ...]
    winrm_exchanges: tuple[str, ...]
    """Sets of the evidence in order, so that equal results give equal bytes."""


class Placed(Struct, frozen=True, gc=False):
    """What the scan of one capture gave: where its bytes of interest lie. ``modified_ns`` is the file's time then."""

    capture: Capture
    flows: tuple[Flow, ...]
    issues: tuple[Issue, ...]
    icmp: tuple[IcmpError, ...]
    modified_ns: int | None


class Texts(Struct, frozen=True, gc=False):
    """Bodies that could be read: (message id, text)."""

    bodies: tuple[tuple[str, str], ...]


class Lines(Struct, frozen=True, gc=False):
    """Responses of logons as lines for hashcat."""

    lines: tuple[HashLine, ...]


class Files(Struct, frozen=True, gc=False):
    """The bytes of each moved file, in the order of ``Evidence.files``."""

    data: tuple[bytes, ...]


class Places(Struct, frozen=True, gc=False):
    """What the scan gave, capture by capture."""

    captures: tuple[Placed, ...]


def kept(result: Result, *, whole: bool) -> Kept:
    """What is stored of a result. Not ``whole``: without what stands in packets as it is, which no mask has been over."""
    found = result.evidence
    lean = replace(
        found,
        exchanges_of={},
        conversations_of={},
        near={},
        far={},
        sightings=(),
        sigma_hits=(),
        sigma_event_hits=(),
        shells=(),
        commands=tuple(replace(one, outputs=tuple(one.outputs)) for one in result.commands),
        files=tuple(replace(one, data=b"") for one in found.files),
    )
    lean = replace(lean, shells=result.shells, captures=tuple(replace(one, identity=None) for one in found.captures))
    if not whole:
        lean = replace(
            lean,
            connections={name: _bare(one) for name, one in lean.connections.items()},
            exchanges={name: _unquoted(one) for name, one in lean.exchanges.items()},
            messages={name: replace(one, settings=()) if one.settings else one for name, one in lean.messages.items()},
        )
    ids = tuple(sorted(found.winrm)), tuple(sorted(found.winrm_exchanges))
    lean = replace(lean, winrm=frozenset(), winrm_exchanges=frozenset())
    return Kept(lean, result.findings, dict(result.auth_steps), result.scorecards, result.incidents, result.diagnosis, *ids)


def _bare(one: Connection) -> Connection:
    """The connection without the contents of conflicts."""
    if not one.to_server.differing and not one.to_client.differing:
        return one

    def without(stream: Stream) -> Stream:
        return replace(stream, differing=tuple(replace(conflict, used=b"", other=b"") for conflict in stream.differing))

    return replace(one, to_server=without(one.to_server), to_client=without(one.to_client))


def _unquoted(one: Exchange) -> Exchange:
    """The exchange without the first bytes of bodies that are neither XML nor multipart: a form's may be a password."""
    request, response = one.request, one.response
    if isinstance(request, Request) and not request.body.starts.startswith(_STARTS):
        request = replace(request, body=replace(request.body, starts=b""))
    if isinstance(response, Response) and not response.body.starts.startswith(_STARTS):
        response = replace(response, body=replace(response.body, starts=b""))
    return one if request is one.request and response is one.response else replace(one, request=request, response=response)


def restored(stored: Kept) -> Result:
    """The result, with its look-ups."""
    lean = stored.evidence
    exchanges_of: dict[str, list[Any]] = {name: [] for name in lean.connections}
    for exchange in lean.exchanges.values():
        exchanges_of.setdefault(exchange.connection, []).append(exchange)
    conversations_of: dict[str, list[Any]] = {name: [] for name in lean.connections}
    for conversation in lean.conversations:
        conversations_of.setdefault(conversation.connection, []).append(conversation)
    commands = tuple(replace(one, outputs=tuple(one.outputs)) for one in lean.commands)
    evidence = replace(
        lean,
        exchanges_of={name: tuple(own) for name, own in exchanges_of.items()},
        conversations_of={name: tuple(own) for name, own in conversations_of.items()},
        near={hop.near: hop for hop in lean.hops},
        far={hop.far: hop for hop in lean.hops},
        commands=commands,
        winrm=frozenset(stored.winrm),
        winrm_exchanges=frozenset(stored.winrm_exchanges),
    )
    return Result(evidence, stored.findings, stored.auth_steps, stored.scorecards, lean.shells, commands, stored.incidents, stored.diagnosis)


def compressed(record: Struct, clean: Clean | None = None) -> bytes:
    """The record as a file of its own holds it; ``clean`` goes over every text in it."""
    import zstandard

    return zstandard.ZstdCompressor(level=_LEVEL).compress(packed(record, clean))


def packed(record: Struct, clean: Clean | None = None, *, lossless: bool = False) -> bytes:
    """The record in MessagePack. A lone surrogate, which UTF-8 does not have, becomes U+FFFD; ``lossless``: it is a `UnicodeEncodeError`."""
    encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
    if lossless:
        return encoder.encode(record)
    if clean is None:
        try:
            return encoder.encode(record)
        except UnicodeEncodeError:
            pass
    return encoder.encode(_walked(msgspec.to_builtins(record, enc_hook=_plain, builtin_types=(bytes,)), clean or str))


def read(path: Path, kind: type[Read]) -> Read:
    """The record out of a file. `InputError`: there is none, or it is not one."""
    import zstandard

    try:
        data = path.read_bytes()
        if zstandard.frame_content_size(data) > _MOST_BYTES:
            msg = f"{path} would be larger than {_MOST_BYTES:,} bytes"
            raise InputError(msg)
        plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=_MOST_BYTES)
        return msgspec.msgpack.Decoder(kind, dec_hook=_restored).decode(plain)
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise InputError(msg) from error
    except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{path} does not hold what this version of winrm-analyzer stores ({error})"
        raise InputError(msg) from error


def unpacked(data: bytes, kind: type[Read]) -> Read:
    """The record out of what `packed` made of it. `InputError`: it is none."""
    try:
        return msgspec.msgpack.Decoder(kind, dec_hook=_restored).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"this does not hold what this version of winrm-analyzer stores ({error})"
        raise InputError(msg) from error


def _plain(value: object) -> object:
    """What MessagePack does not have: a column is its type code and its bytes, the lowest first."""
    if isinstance(value, array):
        if sys.byteorder == "big":
            value = array(value.typecode, value)
            value.byteswap()
        return value.typecode.encode() + value.tobytes()
    if isinstance(value, Outputs):
        return tuple(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return tuple(value)
    msg = f"{type(value).__name__} cannot be stored"
    raise NotImplementedError(msg)


def _restored(kind: type[Any], value: object) -> object:
    if kind is not array or not isinstance(value, bytes) or value[:1].decode("latin-1") not in "bBhHiIlLqQ":
        msg = f"no {kind}"
        raise msgspec.ValidationError(msg)
    made = array(value[:1].decode("latin-1"))
    try:
        made.frombytes(value[1:])
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from error
    if sys.byteorder == "big":
        made.byteswap()
    return made


def valid(text: str) -> str:
    """The text without lone surrogates, which UTF-8 does not have."""
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def _walked(value: Any, clean: Clean) -> Any:  # noqa: ANN401  any part of a record
    if isinstance(value, str):
        return _LONE.sub("\ufffd", clean(value))
    if isinstance(value, dict):
        return {_walked(name, str) if isinstance(name, str) else name: _walked(one, clean) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_walked(one, clean) for one in value]
    return value
