"""pypsrp unwraps the sealed bodies of captures to the same plaintexts as we do, byte for byte, in both directions; and we open what pypsrp wraps.

`pypsrp.encryption.WinRMEncryption` parses the multipart body and hands each part to a security context. For NTLM that is a context of pyspnego, made of no more
than the captured tokens and the password: pyspnego derives the keys itself, verifies the response and its MIC, and keeps its own keystream.

What pypsrp cannot do after the fact is CredSSP, since OpenSSL takes no key log as an input: of the captured CredSSP bodies the parts are compared that pypsrp
and we cut them into, and a live CredSSP context of pyspnego, which writes a key log, seals through pypsrp what we open (also in parts of 16 KiB). Kerberos has
`test_pypsrp_kerberos.py`.
"""

import hashlib
import io
import os
import re
import ssl
import tomllib
from collections.abc import Iterator, Sequence
from http.client import HTTPResponse
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
import spnego
import spnego.tls
from pypsrp.encryption import WinRMEncryption
from spnego._ntlm import NTLMProxy
from spnego._ntlm_raw.crypto import rc4init, sealkey, signkey
from spnego._ntlm_raw.messages import Challenge, Negotiate

import analyzer
from analyzer.api import Case
from analyzer.engine.secrets.tls import keylog
from analyzer.formats.tls import key_log
from analyzer.records.auth import Audience, Mechanism
from analyzer.records.http import Exchange
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.sealing.contexts import tokens
from analyzer.sealing.credssp import Chunk, CredsspContext, context, digest
from analyzer.sealing.multipart import Read, parts

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
PUBLIC = Path(os.environ.get("WINRM_CAPTURES", ""))
PACKER = PUBLIC / "jborean93+github-misc" / "wireshark.pcapng"
NTLM = {
    "squid-ntlm-healthy": 56,
    "squid-negotiate-spnego-mic-healthy": 44,
    "direct-psrp-large-output": 18,
    "evil-winrm-py-session": 26,
    "three-clients-at-once": 116,
}
"""Samples, and how many sealed bodies each has."""
CREDSSP = {"direct-credssp-healthy": 16, "pywinrm-credssp-direct": 16}


def users_of(name: str, folder: Path) -> Path:
    """The accounts of a sample's secrets as pyspnego's acceptor wants them, with and without their domain."""
    known = tomllib.loads((SAMPLES / name / "secrets.toml").read_text(encoding="utf-8"))["password"]
    users = folder / "users"
    users.write_text("".join(f"{domain}:{one['user']}:{one['value']}\n" for one in known for domain in (one["domain"], "")), encoding="utf-8")
    return users


class Body(NamedTuple):
    """One sealed body as it travelled, and what we made of it."""

    message: Message
    content_type: str
    data: bytes


def case_of(name: str) -> Case:
    """A sample with its secrets."""
    folder = SAMPLES / name
    return analyzer.analyze(sorted(folder.glob("capture*.pcap*")), secrets=folder / "secrets.toml")


def bodies(case: Case, exchanges: Sequence[Exchange]) -> Iterator[Body]:
    """The sealed bodies of exchanges, in order."""
    for exchange in exchanges:
        for half in (exchange.request, exchange.response):
            message = None if isinstance(half, Absent) else case.evidence.messages.get(half.id)
            if isinstance(half, Absent) or message is None or message.protection is not Protection.SEALED:
                continue
            assert message.content_type is not None
            yield Body(message, message.content_type, _content(case.bytes(half.id)))


def _content(raw: bytes) -> bytes:
    """The body, of chunked responses according to Python's HTTP client (the last chunk may be missing: captures end in the middle of an answer)."""
    head, _, data = raw.partition(b"\r\n\r\n")
    if b"transfer-encoding" not in head.lower():
        return data
    last = b"" if raw.endswith(b"\r\n0\r\n\r\n") else b"0\r\n\r\n"
    response = HTTPResponse(mock.Mock(makefile=lambda _: io.BytesIO(raw + last)))
    response.begin()
    return response.read()


def unwrapped(body: Body, security: object) -> bytes:
    """The plaintext according to pypsrp, which takes the boundary from the head as its client does.

    Requests of the Windows client have no TAB before the headers of their parts, which pypsrp cannot read; there it is put in.
    """
    data = body.data.replace(b"\r\nContent-Type: application/octet-stream", b"\r\n\tContent-Type: application/octet-stream")
    boundary = re.search('boundary="?([^";]*)"?', body.content_type)
    assert boundary is not None
    found: bytes = WinRMEncryption(security, WinRMEncryption.SPNEGO).unwrap_message(data, boundary[1])
    return found


class Sides(NamedTuple):
    """pyspnego's NTLM contexts: the one that reads what the client sent, and the one that reads what the server sent."""

    server: NTLMProxy
    client: NTLMProxy


def _sides(messages: Sequence[bytes], users: Path, *, client_mic: bool, server_mic: bool) -> Sides:
    """Both contexts after the captured handshake. pyspnego's acceptor proves the response; the initiator gets the key that it derived."""
    with mock.patch.dict(os.environ, {"NTLM_USER_FILE": str(users)}):
        server = NTLMProxy(usage="accept", protocol="ntlm")
        server._temp_negotiate, server._temp_challenge = Negotiate.unpack(messages[0]), Challenge.unpack(messages[1])
        server.step(messages[2])
    assert server.complete
    client = NTLMProxy(username="any", password="any", protocol="ntlm")
    client._context_attr = flags = server._context_attr
    client._sign_key_in, client._handle_in = signkey(flags, server.session_key, "accept"), rc4init(sealkey(flags, server.session_key, "accept"))
    for side, mic in ((server, client_mic), (client, server_mic)):
        if mic:  # the mechListMIC took number 0; asking for the number counts it up
            assert side._seq_num_in == 0
    return Sides(server, client)


def _sessions(case: Case, users: Path) -> Iterator[tuple[list[Body], Sides]]:
    """The sealed bodies of each NTLM logon, from its end to the next logon of its connection."""
    for connection, exchanges in case.evidence.exchanges_of.items():
        talks = [one for one in case.evidence.conversations_of.get(connection, ()) if one.audience is Audience.SERVER and one.mechanism is Mechanism.NTLM]
        by_id = {exchange.id: exchange for exchange in exchanges}
        for talk, following in zip_longest(talks, talks[1:]):
            raw = list(tokens(talk, by_id))
            mics = {step.from_client for step in talk.steps if step.token is not None and step.token.spnego is not None and step.token.spnego.mic}
            begin = by_id[talk.ends or talk.exchanges[-1]].position
            end = by_id[following.exchanges[0]].position if following is not None else 1 << 30
            sealed = list(bodies(case, [exchange for exchange in exchanges if begin <= exchange.position < end]))
            if sealed:
                yield sealed, _sides(raw, users, client_mic=True in mics, server_mic=False in mics)


def texts(case: Case, users: Path) -> Iterator[tuple[Message, bytes]]:
    """What pypsrp makes of every body that NTLM sealed, session by session."""
    for sealed, sides in _sessions(case, users):
        for body in sealed:
            yield body.message, unwrapped(body, sides.server if body.message.from_client else sides.client)


def _compared(case: Case, users: Path) -> int:
    """How many sealed bodies pypsrp and we read alike; any other is an error."""
    found = set()
    for message, text in texts(case, users):
        assert hashlib.sha256(text).digest() == message.text_digest, message.id
        found.add(message.id)
    return len(found)


def _sealed(case: Case) -> int:
    return sum(message.protection is Protection.SEALED for message in case.evidence.messages.values())


@pytest.mark.parametrize("name", NTLM)
def test_ntlm_bodies_of_samples(name: str, tmp_path: Path) -> None:
    case = case_of(name)
    assert (_compared(case, users_of(name, tmp_path)), _sealed(case)) == (NTLM[name],) * 2


@pytest.mark.captures
@pytest.mark.skipif(not PACKER.is_file(), reason="WINRM_CAPTURES names no folder with the capture of Packer")
def test_ntlm_bodies_of_windows(tmp_path: Path) -> None:
    """pywinrm and Windows Server 2012 R2: names in the OEM code page, no domain."""
    secrets, users = tmp_path / "secrets.toml", tmp_path / "users"
    secrets.write_text('[[password]]\nuser = "vagrant"\nvalue = "vagrant"\n', encoding="utf-8")
    users.write_text(":vagrant:vagrant\n", encoding="utf-8")
    case = analyzer.analyze(PACKER, secrets=secrets)
    assert (_compared(case, users), _sealed(case)) == (12, 12)


def test_another_password_is_refused_by_both(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("LAB:alice:Pass-word 2\n", encoding="utf-8")
    with pytest.raises(spnego.exceptions.InvalidTokenError, match="Invalid NTLM response"):
        _compared(case_of("squid-ntlm-healthy"), users)


class Keeper:
    """In place of a security context: gives out what `open` of ours makes of a part, and keeps the parts that pypsrp cut."""

    def __init__(self, texts: dict[bytes, bytes]) -> None:
        self.texts = texts
        self.parts: list[tuple[bytes, bytes]] = []

    def unwrap_winrm(self, header: bytes, data: bytes) -> bytes:
        self.parts.append((header, data))
        return self.texts[header + data]


@pytest.mark.parametrize("name", CREDSSP)
def test_credssp_bodies_of_samples_are_cut_into_the_same_parts(name: str) -> None:
    """And the lengths that pypsrp reads in them are those of our plaintexts, or it would raise."""
    case = case_of(name)
    compared = 0
    for exchanges in case.evidence.exchanges_of.values():
        for body in bodies(case, exchanges):
            (part,) = body.message.parts
            ours = body.data[part.data_at : part.data_at + part.data_size]
            assert body.message.opened
            keeper = Keeper({part.header + ours: bytes(part.length or 0)})
            assert len(unwrapped(body, keeper)) == part.length
            assert keeper.parts == [(part.header, ours)]
            compared += 1
    assert compared == _sealed(case) == CREDSSP[name]


def _credssp(folder: Path, version: str) -> tuple[Any, Any, tuple[list[Chunk], list[Chunk]]]:
    """A live pair of pyspnego's CredSSP contexts that writes ``folder``/keys, and the tokens of its handshake."""
    users = folder / "users"
    users.write_text("LAB:alice:Pass-word 1\n", encoding="utf-8")
    said: list[bytes] = []
    with mock.patch.dict(os.environ, {"NTLM_USER_FILE": str(users)}):
        ways = spnego.tls.default_tls_context()
        ways.context.minimum_version = ways.context.maximum_version = ssl.TLSVersion[version]
        ways.context.keylog_filename = str(folder / "keys")
        ntlm_only = spnego.NegotiateOptions.use_ntlm
        client = spnego.client("LAB\\alice", "Pass-word 1", protocol="credssp", credssp_tls_context=ways, options=ntlm_only)
        server = spnego.server(protocol="credssp", options=ntlm_only)
        token = client.step()
        while token:
            said.append(token)
            token = (server if len(said) % 2 else client).step(token)
    assert client.complete
    assert server.complete
    return client, server, ([Chunk(one, None) for one in said[::2]], [Chunk(one, None) for one in said[1::2]])


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_what_pypsrp_seals_with_credssp_we_open(tmp_path: Path, version: str) -> None:
    """Also a message of more than 16 KiB, which pypsrp cuts into parts (``multipart/x-multi-encrypted``); and pypsrp unwraps it itself."""
    client, server, chunks = _credssp(tmp_path, version)
    texts = [b"<s:Envelope>" + bytes([65 + number]) * size for number, size in enumerate((10, 900, 16_372, 40_000, 7))]
    kinds, cut = [], []
    for number, text in enumerate(texts):
        way = number % 2
        kind, data = WinRMEncryption((client, server)[way], WinRMEncryption.CREDSSP).wrap_message(text)
        found = parts(reader(data), len(data), 100)
        assert found.problem is None
        pieces = [(part.header, data[part.data_at : part.data_at + part.data_size]) for part in found.parts]
        chunks[way].extend(Chunk(header + sealed, digest(header, sealed)) for header, sealed in pieces)
        kinds.append(kind)
        cut.append(pieces)
        assert WinRMEncryption((server, client)[way], WinRMEncryption.CREDSSP).unwrap_message(data, "Encrypted Boundary") == text
    known = context(*chunks, key_log(keylog((tmp_path / "keys").read_bytes())))
    assert known is not None
    assert [b"".join(_opened(known, *piece) for piece in pieces) for pieces in cut] == texts
    assert kinds == ["multipart/encrypted"] * 3 + ["multipart/x-multi-encrypted", "multipart/encrypted"]
    assert [len(pieces) for pieces in cut] == [1, 1, 1, 3, 1]


def reader(data: bytes) -> Read:
    return lambda at, size: data[at : at + size]


def _opened(known: CredsspContext, header: bytes, data: bytes) -> bytes:
    found = known.open(header, data, from_client=True)
    assert found is not None
    return found.text
