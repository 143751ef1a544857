"""What live NTLM contexts of pyspnego seal, `NtlmContext` opens: every version, strength and framing, in any order of loss; nothing with a wrong secret."""

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
import spnego
from spnego._ntlm_raw.messages import NegotiateFlags

from analyzer.auth.schemes import ntlm
from analyzer.auth.schemes import spnego as tokens
from analyzer.auth.schemes.ntlm_keys import Keys, from_exported, from_hash, lm_hash, nt_hash
from analyzer.records.quality import Absent
from analyzer.sealing.ntlm import NtlmContext

USER, DOMAIN, PASSWORD = "alice", "LAB", "Pass-word 1"
ESS, KEY_EXCH, KEY_128, KEY_56 = NegotiateFlags.extended_session_security, NegotiateFlags.key_exch, NegotiateFlags.key_128, NegotiateFlags.key_56
VERSIONS = {"v1": 0, "v1-lm": 1, "v1-nt": 2, "v2": 3}
"""pyspnego's LM_COMPAT_LEVEL: which responses the client sends (0: also without extended session security)."""
STRENGTHS = {128: 0, 56: KEY_128, 40: KEY_128 | KEY_56}
TEXTS = [b"<s:Envelope>" + b"x" * (37 * number) + b"</s:Envelope>" for number in range(12)]


class Sealed(NamedTuple):
    """One message: the direction, the token header and the ciphertext, the plaintext."""

    from_client: bool
    header: bytes
    data: bytes
    text: bytes


class Session(NamedTuple):
    """A finished handshake: message 2 and 3, whether each direction has a mechListMIC, the exported session key, and messages in turn."""

    challenge: bytes
    authenticate: bytes
    mics: tuple[bool, bool]
    exported: bytes
    sealed: tuple[Sealed, ...]


def session(folder: Path, *, protocol: str = "ntlm", version: str = "v2", without: int = 0, texts: Sequence[bytes] = TEXTS) -> Session:
    users = folder / "users"
    users.write_text(f"{DOMAIN}:{USER}:{PASSWORD}\n", encoding="utf-8")
    with mock.patch.dict(os.environ, {"NTLM_USER_FILE": str(users), "LM_COMPAT_LEVEL": str(VERSIONS[version])}):
        options = spnego.NegotiateOptions.use_ntlm if protocol == "ntlm" else spnego.NegotiateOptions.use_negotiate
        client = spnego.client(f"{DOMAIN}\\{USER}", PASSWORD, protocol=protocol, options=options)
        server = spnego.server(protocol=protocol, options=options)
        if without:
            client._context_req &= ~without
        said = _shaken(client, server)
    inner = [_inner(token) for token in said]
    mics = tuple(any(_mic(token) for token in said[side::2]) for side in (0, 1))
    return Session(
        next(raw for raw in inner if raw is not None and ntlm.message_type(raw) == 2),
        next(raw for raw in inner if raw is not None and ntlm.message_type(raw) == 3),
        (mics[0], mics[1]),
        bytes(client.session_key),
        tuple(_sealed(client, server, texts)),
    )


def _shaken(client: Any, server: Any) -> list[bytes]:  # noqa: ANN401  contexts of a library without types
    said: list[bytes] = []
    token = client.step()
    while token:
        said.append(token)
        token = (server if len(said) % 2 else client).step(token)
    assert client.complete
    assert server.complete
    return said


def _sealed(client: Any, server: Any, texts: Sequence[bytes]) -> Iterator[Sealed]:  # noqa: ANN401
    for number, text in enumerate(texts):
        from_client = number % 2 == 0
        made = (client if from_client else server).wrap_winrm(text)
        assert (server if from_client else client).unwrap_winrm(made.header, made.data) == text
        yield Sealed(from_client, made.header, made.data, text)


def _inner(token: bytes) -> bytes | None:
    if not tokens.is_spnego(token):
        return token
    found = tokens.message(token).value
    return None if isinstance(found, Absent) else found.token


def _mic(token: bytes) -> bool:
    found = tokens.message(token).value if tokens.is_spnego(token) else None
    return found is not None and not isinstance(found, Absent) and found.spnego.mic


def keys(made: Session, password: str = PASSWORD) -> Keys | None:
    fields = ntlm.authenticate_fields(made.authenticate).value
    assert not isinstance(fields, Absent)
    return from_hash(nt_hash(password), fields, made.challenge[24:32], lm_hash(password))


def context(made: Session, known: Keys | None = None) -> NtlmContext:
    found = known or keys(made)
    assert found is not None
    return NtlmContext(found, client_mic=made.mics[0], server_mic=made.mics[1])


def opened(made: Session, reader: NtlmContext, lost: frozenset[int] = frozenset()) -> list[bytes | None]:
    """What the context makes of the messages that are not lost."""
    texts = []
    for number, one in enumerate(made.sealed):
        if number not in lost:
            found = reader.open(one.header, one.data, from_client=one.from_client)
            texts.append(None if found is None else found.text)
    return texts


def kept(made: Session, lost: frozenset[int] = frozenset()) -> list[bytes]:
    return [one.text for number, one in enumerate(made.sealed) if number not in lost]


def _cases() -> Iterator[tuple[str, int]]:
    for version in VERSIONS:
        for strength in STRENGTHS.values():
            for exchange in (0, KEY_EXCH):
                for extended in (0, ESS):
                    yield version, int(strength | exchange | extended)


@pytest.mark.parametrize(("version", "without"), list(_cases()))
def test_the_password_opens_every_message_and_another_none(tmp_path: Path, version: str, without: int) -> None:
    made = session(tmp_path, version=version, without=without)
    assert opened(made, context(made)) == kept(made)
    assert keys(made, "Pass-word 2") is None


@pytest.mark.parametrize("without", [0, ESS, KEY_EXCH, KEY_128 | KEY_56])
def test_the_exported_session_key_opens_every_message_and_another_none(tmp_path: Path, without: int) -> None:
    made = session(tmp_path, without=int(without))
    fields = ntlm.authenticate_fields(made.authenticate).value
    assert not isinstance(fields, Absent)
    assert opened(made, context(made, from_exported(made.exported, fields.flags or 0))) == kept(made)
    assert opened(made, context(made, from_exported(bytes(16), fields.flags or 0))) == [None] * len(made.sealed)


def test_a_mech_list_mic_takes_the_first_number_of_its_direction(tmp_path: Path) -> None:
    made = session(tmp_path, protocol="negotiate")
    assert made.mics == (True, True)
    assert [int.from_bytes(one.header[12:], "little") for one in made.sealed[:4]] == [1, 1, 2, 2]
    assert opened(made, context(made)) == kept(made)
    raw = session(tmp_path)
    assert raw.mics == (False, False)
    assert [int.from_bytes(one.header[12:], "little") for one in raw.sealed[:4]] == [0, 0, 1, 1]


@pytest.mark.parametrize(("protocol", "without"), [("negotiate", 0), ("ntlm", 0), ("ntlm", KEY_EXCH), ("ntlm", ESS), ("ntlm", ESS | KEY_EXCH)])
def test_any_messages_lost_lose_only_themselves(tmp_path: Path, protocol: str, without: int) -> None:
    made = session(tmp_path, protocol=protocol, without=int(without))
    chance = random.Random(7)  # the same losses in every run
    losses = [frozenset({number}) for number in range(len(made.sealed))]
    losses += [frozenset(chance.sample(range(len(made.sealed)), chance.randint(2, len(made.sealed) - 1))) for _ in range(20)]
    for lost in losses:
        assert opened(made, context(made), lost) == kept(made, lost), sorted(lost)


def test_a_loss_of_many_large_messages_is_bridged(tmp_path: Path) -> None:
    large = [b"<s:Envelope>" + b"y" * 150_000] * 10 + [b"<s:Envelope>the last of the client", b"<s:Envelope>the last of the server"]
    made = session(tmp_path, texts=large)
    lost = frozenset(range(10))
    assert opened(made, context(made), lost) == kept(made, lost)


@pytest.mark.parametrize("text", ["\ufeff<?xml?>", "<?xml version='1.0'?>", "<env:Envelope/>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_what_comes_after_a_loss_may_be_any_xml(tmp_path: Path, text: str, encoding: str) -> None:
    made = session(tmp_path, texts=[b"<s:Envelope>first", b"<s:Envelope>", text.encode(encoding), b"<s:Envelope>"])
    assert opened(made, context(made), frozenset({0})) == kept(made, frozenset({0}))


def test_a_message_that_was_changed_is_refused_and_the_next_one_opens(tmp_path: Path) -> None:
    made = session(tmp_path)
    reader = context(made)
    first, _, third = (one for one in made.sealed[:3])
    changed = bytes([first.data[0] ^ 1]) + first.data[1:]
    assert reader.open(first.header, changed, from_client=True) is None
    assert reader.open(first.header, first.data, from_client=False) is None
    found = reader.open(third.header, third.data, from_client=True)
    assert found is not None
    assert found.text == third.text
    assert reader.open(third.header, third.data, from_client=True) is None


def test_lengths_that_are_known_need_no_search(tmp_path: Path) -> None:
    made = session(tmp_path)
    reader = context(made)
    reader.passed([len(made.sealed[0].text), len(made.sealed[2].text)], from_client=True)
    found = reader.open(made.sealed[4].header, made.sealed[4].data, from_client=True)
    assert found is not None
    assert found.text == made.sealed[4].text
