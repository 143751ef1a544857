"""A Kerberos KDC (MIT krb5) of the tests' own, as an ordinary user on a port of this machine, and security contexts established with it.

Needed are the programs of the Debian packages krb5-kdc and krb5-admin-server, and the Python packages gssapi and krb5 (`make setup
EXTRAS=test,oracle`, which compiles them: libkrb5-dev and gcc). `MISSING` names what is not there; tests that use this module skip then.
"""

import importlib
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest

ETYPES = {17: "aes128-cts-hmac-sha1-96", 18: "aes256-cts-hmac-sha1-96", 19: "aes128-cts-hmac-sha256-128", 20: "aes256-cts-hmac-sha384-192", 23: "arcfour-hmac"}
REALM = "TEST.EXAMPLE"
PASSWORD = "Pass-word 1"
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _missing() -> str:
    packages = [name for name in ("gssapi", "krb5") if importlib.util.find_spec(name) is None]
    if packages:
        return f"the packages {' and '.join(packages)} are not installed: make setup EXTRAS=test,oracle (needs libkrb5-dev and gcc)"
    programs = [name for name in ("krb5kdc", "kdb5_util", "kadmin.local") if shutil.which(name, path=_PATH) is None]
    return f"{', '.join(programs)} of krb5-kdc and krb5-admin-server not installed" if programs else ""


MISSING = _missing()


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


@contextmanager
def running(folder: Path) -> Iterator[Realm]:
    """The KDC while the block runs, with its files in ``folder``: the user alice, and for each encryption type a service HTTP/hostETYPE."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        made = Realm(folder, probe.getsockname()[1])
    types = " ".join(f"{name}:normal" for name in ETYPES.values())
    (folder / "kdc.conf").write_text(
        f"[kdcdefaults]\n kdc_ports = {made.port}\n kdc_tcp_ports = {made.port}\n[realms]\n {REALM} = {{\n  database_name = {folder}/principal\n"
        f"  key_stash_file = {folder}/stash\n  acl_file = {folder}/acl\n  supported_enctypes = {types}\n }}\n",
        encoding="utf-8",
    )
    paths = {"KRB5_CONFIG": str(made.config()), "KRB5_KDC_PROFILE": str(folder / "kdc.conf"), "PATH": _PATH}
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


class Contexts(NamedTuple):
    """Established security contexts of gssapi, of client and server, and the tokens that they exchanged."""

    client: Any
    server: Any
    request: bytes
    reply: bytes


@contextmanager
def environment(realm: Realm, etype: int) -> Iterator[None]:
    """Kerberos' libraries find this realm, and keep no cache of it."""
    with mock.patch.dict(os.environ, {"KRB5_CONFIG": str(realm.config(etype)), "KRB5RCACHENAME": "none:", "KRB5CCNAME": f"MEMORY:{etype}"}):
        yield


def contexts(realm: Realm, etype: int) -> Contexts:
    """Made in an `environment`."""
    gssapi = importlib.import_module("gssapi")
    name = gssapi.Name(f"alice@{REALM}", gssapi.NameType.kerberos_principal)
    held = gssapi.raw.acquire_cred_with_password(name, PASSWORD.encode(), usage="initiate", mechs=[gssapi.MechType.kerberos]).creds
    target = gssapi.Name(f"HTTP/host{etype}@{REALM}", gssapi.NameType.kerberos_principal)
    flags = [gssapi.RequirementFlag.mutual_authentication, gssapi.RequirementFlag.confidentiality, gssapi.RequirementFlag.integrity]
    client = gssapi.SecurityContext(name=target, creds=gssapi.Credentials(held), usage="initiate", flags=flags, mech=gssapi.MechType.kerberos)
    server = gssapi.SecurityContext(creds=gssapi.Credentials(usage="accept", store={"keytab": str(realm.keytab)}), usage="accept")
    request = client.step()
    reply = server.step(request)
    client.step(reply)
    return Contexts(client, server, request, reply)
