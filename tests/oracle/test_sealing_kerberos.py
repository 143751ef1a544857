"""What MIT krb5 seals as WinRM does (header, data and padding apart), `KerberosContext` opens with the service's keytab, through AP-REQ and AP-REP.

A KDC of its own runs while the tests run, as an ordinary user on a port of this machine; needed are the programs of krb5-kdc and the package gssapi.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest

from analyzer.auth.schemes.scapy_adapter import Key
from analyzer.engine.secrets import keytab
from analyzer.records.secrets import KerberosKey, Secret, Secrets
from analyzer.sealing.kerberos import KerberosContext, KerberosKeys
from analyzer.sealing.tickets import Agreed, exchange_keys

gssapi = pytest.importorskip("gssapi", reason="the package gssapi (with libkrb5-dev and a C compiler) is not installed")
for needed in ("krb5kdc", "kdb5_util", "kadmin.local"):
    found = shutil.which(needed, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{needed} (krb5-kdc) is not installed", allow_module_level=True)

ETYPES = {17: "aes128-cts-hmac-sha1-96", 18: "aes256-cts-hmac-sha1-96", 19: "aes128-cts-hmac-sha256-128", 20: "aes256-cts-hmac-sha384-192", 23: "arcfour-hmac"}
REALM = "TEST.EXAMPLE"
PASSWORD = "Pass-word 1"
TEXTS = [b"<s:Envelope>" + b"x" * size for size in (0, 1, 15, 16, 17, 4000)]


class Realm(NamedTuple):
    """A running KDC's files."""

    folder: Path
    port: int

    @property
    def keytab(self) -> Path:
        return self.folder / "http.keytab"

    def config(self, etype: int | None = None) -> Path:
        """krb5.conf; with ``etype`` the client asks for that encryption type only."""
        names = () if etype is None else ("permitted_enctypes", "default_tgs_enctypes", "default_tkt_enctypes")
        only = "".join(f" {name} = {ETYPES[etype or 18]}\n" for name in names)
        path = self.folder / f"krb5-{etype}.conf"
        path.write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n rdns = false\n allow_weak_crypto = true\n allow_rc4 = true\n{only}"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self.port}\n }}\n",
            encoding="utf-8",
        )
        return path


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    folder = tmp_path_factory.mktemp("kdc")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        made = Realm(folder, probe.getsockname()[1])
    types = " ".join(f"{name}:normal" for name in ETYPES.values())
    (folder / "kdc.conf").write_text(
        f"[kdcdefaults]\n kdc_ports = {made.port}\n kdc_tcp_ports = {made.port}\n[realms]\n {REALM} = {{\n  database_name = {folder}/principal\n"
        f"  key_stash_file = {folder}/stash\n  acl_file = {folder}/acl\n  supported_enctypes = {types}\n }}\n",
        encoding="utf-8",
    )
    paths = {"KRB5_CONFIG": str(made.config()), "KRB5_KDC_PROFILE": str(folder / "kdc.conf"), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    environment = {**os.environ, **paths}
    subprocess.run(["kdb5_util", "create", "-s", "-P", "master", "-r", REALM], env=environment, check=True, capture_output=True)
    todo = f'addprinc -pw "{PASSWORD}" alice\n' + "".join(f"addprinc -randkey -e {name}:normal HTTP/host{etype}\n" for etype, name in ETYPES.items())
    todo += "".join(f"ktadd -k {made.keytab} HTTP/host{etype}\n" for etype in ETYPES)
    todo = todo.replace("ktadd -k", "ktadd -norandkey -k")
    subprocess.run(["kadmin.local", "-r", REALM], input=todo, text=True, env=environment, check=True, capture_output=True)
    server = subprocess.Popen(["krb5kdc", "-n", "-r", REALM], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(made.port, server)
        yield made
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(100):
        assert server.poll() is None, "the KDC ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the KDC does not listen")


class Session(NamedTuple):
    """The tokens of the AP exchange, and messages: (from the client, token header, data, plaintext)."""

    request: bytes
    reply: bytes
    sealed: list[tuple[bool, bytes, bytes, bytes]]


def session(realm: Realm, etype: int) -> Session:
    with mock.patch.dict(os.environ, {"KRB5_CONFIG": str(realm.config(etype)), "KRB5RCACHENAME": "none:", "KRB5CCNAME": f"MEMORY:{etype}"}):
        name = gssapi.Name(f"alice@{REALM}", gssapi.NameType.kerberos_principal)
        held = gssapi.raw.acquire_cred_with_password(name, PASSWORD.encode(), usage="initiate", mechs=[gssapi.MechType.kerberos]).creds
        target = gssapi.Name(f"HTTP/host{etype}@{REALM}", gssapi.NameType.kerberos_principal)
        flags = [gssapi.RequirementFlag.mutual_authentication, gssapi.RequirementFlag.confidentiality, gssapi.RequirementFlag.integrity]
        client = gssapi.SecurityContext(name=target, creds=gssapi.Credentials(held), usage="initiate", flags=flags, mech=gssapi.MechType.kerberos)
        server = gssapi.SecurityContext(creds=gssapi.Credentials(usage="accept", store={"keytab": str(realm.keytab)}), usage="accept")
        request = client.step()
        reply = server.step(request)
        client.step(reply)
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
    agreed = _agreed(made, Secrets(kerberos=keytab(str(realm.keytab))))
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
    known = _agreed(made, Secrets(kerberos=keytab(str(realm.keytab))))
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
    agreed = _agreed(made, Secrets(kerberos=keytab(str(realm.keytab))))
    assert agreed is not None
    reader = KerberosContext(agreed.keys)
    for from_client, header, data, _ in made.sealed:
        changed = bytes([data[0] ^ 1]) + data[1:]
        assert reader.open(header, changed, from_client=from_client) is None
        if etype != 23:  # RC4's sealing key is one for both directions (RFC 4757 section 7.3)
            assert reader.open(header, data, from_client=not from_client) is None
