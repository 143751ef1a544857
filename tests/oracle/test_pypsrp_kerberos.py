"""pypsrp and MIT krb5 unwrap the Kerberos bodies of captures to the same plaintexts as we do, byte for byte, in both directions; and we open what they wrap.

MIT krb5 makes no context of captured tokens: an acceptor chooses a sub-session key of its own, and takes no ticket of yesterday. But a context can be exported,
and its key stands in the exported token as it is. So a live context is exported, the captured exchange's sub-session key put in the place of its own, and the
token imported again: what it then unwraps is unwrapped by MIT krb5, called by pyspnego, called by pypsrp. That proves the key, too: under another one no
checksum agrees.
"""

import hashlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import spnego
from pypsrp.encryption import WinRMEncryption

import analyzer
from analyzer.api import Case
from analyzer.auth.schemes.scapy_adapter import Key
from analyzer.engine.secrets.load import load
from analyzer.records.sealing import Protection
from analyzer.records.secrets import Secret
from analyzer.sealing.contexts import Context
from analyzer.sealing.contexts import contexts as contexts_of
from analyzer.sealing.kerberos import KerberosContext
from analyzer.sealing.multipart import parts
from analyzer.sealing.tickets import exchange_keys
from tests.oracle.kdc import ETYPES, MISSING, REALM, Contexts, Realm, contexts, environment, running
from tests.oracle.test_pypsrp import PUBLIC, SAMPLES, bodies, reader, unwrapped

if MISSING:
    pytest.skip(MISSING, allow_module_level=True)

gssapi = importlib.import_module("gssapi")

KERBEROS = {"squid-kerberos-healthy": 32, "direct-kerberos-scheme-healthy": 16}
"""Samples, and how many sealed bodies each has."""
EMPIRE = PUBLIC / "OTRF+Security-Datasets"


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    with running(tmp_path_factory.mktemp("kdc")) as made:
        yield made


def _security(realm: Realm, token: bytes) -> Any:  # noqa: ANN401  a context of a library without types
    """pyspnego's context around an exported one."""
    proxy = spnego.server(protocol="kerberos", _gssapi_credential=gssapi.Credentials(usage="accept", store={"keytab": str(realm.keytab)}))
    proxy._context = gssapi.SecurityContext(token=token)
    return proxy


def _with_key(realm: Realm, live: Contexts, key: Key) -> tuple[Any, Any]:
    """The contexts of server and client, exported and imported with another sub-session key."""
    agreed = exchange_keys(live.request, live.reply, load(None, keytabs=[str(realm.keytab)]), {})
    assert agreed is not None
    assert agreed.keys.acceptor is not None
    own = bytes(agreed.keys.acceptor.value)
    tokens = live.server.export(), live.client.export()
    assert all(token.count(own) for token in tokens)
    server, client = (_security(realm, token.replace(own, bytes(key.value))) for token in tokens)
    return server, client


def _opened(captures: list[Path], **secrets: Any) -> tuple[Case, dict[str, Context]]:  # noqa: ANN401
    """A case, and the contexts that opened its bodies, by the conversation's id."""
    known: dict[str, Context] = {}

    def kept(*arguments: Any) -> list[Context]:  # noqa: ANN401
        found = contexts_of(*arguments)
        known.update((one.conversation.id, one) for one in found)
        return found

    with mock.patch("analyzer.sealing.opening.contexts", kept):
        return analyzer.analyze(captures, **secrets), known


def _compared(realm: Realm, case: Case, known: dict[str, Context]) -> int:
    """How many sealed bodies they and we read alike; any other is an error."""
    found = 0
    for context in known.values():
        if not isinstance(context.sealer, KerberosContext):
            continue
        key = context.sealer.keys.acceptor
        assert key is not None
        with environment(realm, key.etype):
            server, client = _with_key(realm, contexts(realm, key.etype), key)
            exchanges = case.evidence.exchanges_of[case.evidence.exchanges[context.conversation.exchanges[0]].connection]
            for body in bodies(case, [one for one in exchanges if context.first <= one.position <= context.last]):
                text = unwrapped(body, server if body.message.from_client else client)
                assert hashlib.sha256(text).digest() == body.message.text_digest, body.message.id
                found += 1
    return found


def _sealed(case: Case) -> int:
    return sum(message.protection is Protection.SEALED for message in case.evidence.messages.values())


@pytest.mark.parametrize("name", KERBEROS)
def test_kerberos_bodies_of_samples(realm: Realm, name: str) -> None:
    folder = SAMPLES / name
    case, known = _opened(sorted(folder.glob("capture*.pcap*")), secrets=folder / "secrets.toml")
    assert (_compared(realm, case, known), _sealed(case)) == (KERBEROS[name],) * 2


@pytest.mark.captures
@pytest.mark.skipif(not EMPIRE.is_dir(), reason="WINRM_CAPTURES names no folder with the captures of OTRF")
def test_kerberos_bodies_of_windows(realm: Realm) -> None:
    """PowerShell between two Windows 10, whose keys come out of the TGS exchange."""
    capture = EMPIRE / "empire_psremoting_stager_WORKSTATION5_2020-09-20170827.cap"
    case, known = _opened([capture], keytab=EMPIRE / "keys" / "theshire.keytab")
    assert (_compared(realm, case, known), _sealed(case)) == (20, 20)


def test_under_another_key_nothing_is_unwrapped(realm: Realm) -> None:
    with environment(realm, 18):
        live = contexts(realm, 18)
        sealed = WinRMEncryption(_security(realm, live.client.export()), WinRMEncryption.KERBEROS).wrap_message(b"<s:Envelope>")[1]
        server, _ = _with_key(realm, contexts(realm, 18), Key(18, Secret(bytes(32))))
        with pytest.raises(spnego.exceptions.SpnegoError):
            WinRMEncryption(server, WinRMEncryption.KERBEROS).unwrap_message(sealed, "Encrypted Boundary")


@pytest.mark.parametrize("etype", ETYPES)
def test_what_pypsrp_seals_we_open(realm: Realm, etype: int) -> None:
    with environment(realm, etype):
        live = contexts(realm, etype)
        agreed = exchange_keys(live.request, live.reply, load(None, keytabs=[str(realm.keytab)]), {})
        assert agreed is not None
        assert agreed.client == f"alice@{REALM}"
        ours = KerberosContext(agreed.keys)
        server, client = _security(realm, live.server.export()), _security(realm, live.client.export())
        for number in range(6):
            text = b"<s:Envelope>" + bytes([65 + number]) * number * 777
            way = number % 2
            data = WinRMEncryption((client, server)[way], WinRMEncryption.KERBEROS).wrap_message(text)[1]
            found = parts(reader(data), len(data), 10)
            assert found.problem is None
            (part,) = found.parts
            opened = ours.open(part.header, data[part.data_at : part.data_at + part.data_size], from_client=way == 0)
            assert opened is not None
            assert opened.text == text
