"""What MIT krb5 seals as WinRM does (header, data and padding apart), `KerberosContext` opens with the service's keytab, through AP-REQ and AP-REP."""

import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from analyzer.auth.schemes.scapy_adapter import Key
from analyzer.engine.secrets.load import load
from analyzer.records.secrets import KerberosKey, Secret, Secrets
from analyzer.sealing.kerberos import KerberosContext, KerberosKeys
from analyzer.sealing.tickets import Agreed, exchange_keys
from tests.oracle.kdc import ETYPES, MISSING, REALM, Realm, contexts, environment, running

if MISSING:
    pytest.skip(MISSING, allow_module_level=True)

gssapi = importlib.import_module("gssapi")
TEXTS = [b"<s:Envelope>" + b"x" * size for size in (0, 1, 15, 16, 17, 4000)]


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    with running(tmp_path_factory.mktemp("kdc")) as made:
        yield made


class Session(NamedTuple):
    """The tokens of the AP exchange, and messages: (from the client, token header, data, plaintext)."""

    request: bytes
    reply: bytes
    sealed: list[tuple[bool, bytes, bytes, bytes]]


def session(realm: Realm, etype: int) -> Session:
    with environment(realm, etype):
        client, server, request, reply = contexts(realm, etype)
        sealed = []
        for text in TEXTS:
            for from_client, side in ((True, client), (False, server)):
                sealed.append((from_client, *_wrapped(side, text), text))
    return Session(request, reply, sealed)


def _wrapped(side: Any, text: bytes) -> tuple[bytes, bytes]:  # noqa: ANN401  a context of a library without types
    """As WinRM frames it (MS-WSMV 2.2.9.1.2.2.2): the header, and the data with its padding."""
    kinds = gssapi.raw.IOVBufferType
    message = gssapi.raw.IOV(kinds.header, (kinds.data, text), kinds.padding, std_layout=False)
    gssapi.raw.wrap_iov(side, message, confidential=True)
    return bytes(message[0].value), bytes(message[1].value) + bytes(message[2].value or b"")


def _agreed(made: Session, secrets: Secrets) -> Agreed | None:
    return exchange_keys(made.request, made.reply, secrets, {})


@pytest.mark.parametrize("etype", ETYPES)
def test_the_service_key_opens_every_message(realm: Realm, etype: int) -> None:
    made = session(realm, etype)
    agreed = _agreed(made, load(None, keytabs=[str(realm.keytab)]))
    assert agreed is not None
    assert agreed.client == f"alice@{REALM}"
    assert agreed.keys.session.etype == etype
    assert agreed.tag.endswith(f"HTTP/host{etype}@{REALM}:{etype}")
    reader = KerberosContext(agreed.keys)
    for from_client, header, data, text in made.sealed:
        opened = reader.open(header, data, from_client=from_client)
        assert opened is not None
        assert opened.text == text


@pytest.mark.parametrize("etype", ETYPES)
def test_session_and_sub_session_keys_open_and_others_do_not(realm: Realm, etype: int) -> None:
    made = session(realm, etype)
    known = _agreed(made, load(None, keytabs=[str(realm.keytab)]))
    assert known is not None
    by_session = _agreed(made, Secrets(kerberos=(KerberosKey("session", etype, known.keys.session.value),)))
    assert by_session is not None
    assert by_session.keys == known.keys
    chosen = known.keys.acceptor or known.keys.initiator
    assert chosen is not None
    assert _agreed(made, Secrets(kerberos=(KerberosKey("wrong", etype, Secret(bytes(len(chosen.value)))),))) is None
    wrong = KerberosContext(KerberosKeys(Key(etype, Secret(bytes(len(chosen.value))))))
    right = KerberosContext(KerberosKeys(chosen))
    for from_client, header, data, text in made.sealed:
        opened = right.open(header, data, from_client=from_client)
        assert opened is not None
        assert opened.text == text
        assert wrong.open(header, data, from_client=from_client) is None


@pytest.mark.parametrize("etype", ETYPES)
def test_a_message_that_was_changed_or_turned_around_does_not_open(realm: Realm, etype: int) -> None:
    made = session(realm, etype)
    agreed = _agreed(made, load(None, keytabs=[str(realm.keytab)]))
    assert agreed is not None
    reader = KerberosContext(agreed.keys)
    for from_client, header, data, _ in made.sealed:
        changed = bytes([data[0] ^ 1]) + data[1:]
        assert reader.open(header, changed, from_client=from_client) is None
        if etype != 23:  # RC4's sealing key is one for both directions (RFC 4757 section 7.3)
            assert reader.open(header, data, from_client=not from_client) is None
