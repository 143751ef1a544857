"""An MIT KDC for the lab's realm: database, keytab and configuration inside the scenario's folder."""

import subprocess
from pathlib import Path

from lab import network
from lab.accounts import ACCOUNTS, REALM, SERVER_HOST
from lab.processes import Child, LabError, start, stop, wait_until

PROXY_HOST = "winrm.lab.example"
ETYPES = "aes256-cts-hmac-sha1-96"
FORGED = "forged.cc"
_FORGER_PORT, _TEN_YEARS = 10_088, "3650days"


def _client_config(folder: Path) -> Path:
    path = folder / "krb5.conf"
    path.write_text(f"""[libdefaults]
    default_realm = {REALM}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    rdns = false
    dns_canonicalize_hostname = false
[realms]
    {REALM} = {{
        kdc = {network.KDC_IP}
    }}
[domain_realm]
    .lab.example = {REALM}
""")
    return path


def prepare(folder: Path) -> dict[str, str]:
    """Make the realm; return the environment that the KDC, the server and the clients need."""
    krb5 = _client_config(folder)
    profile = folder / "kdc.conf"
    profile.write_text(f"""[kdcdefaults]
    kdc_listen = {network.KDC_IP}:88
    kdc_tcp_listen = {network.KDC_IP}:88
[realms]
    {REALM} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/acl
        supported_enctypes = {ETYPES}:normal
        master_key_type = {ETYPES}
    }}
""")
    environment = {"KRB5_CONFIG": str(krb5), "KRB5_KDC_PROFILE": str(profile)}

    def run(*argv: str) -> None:
        subprocess.run(argv, check=True, capture_output=True, env={"PATH": "/usr/sbin:/usr/bin:/bin", **environment})

    run("kdb5_util", "create", "-s", "-r", REALM, "-P", "lab-master")
    for user, password in ACCOUNTS:
        run("kadmin.local", "-r", REALM, "-q", f'addprinc -pw "{password}" {user}')
    for name in (f"{service}/{host}" for service in ("HTTP", "WSMAN") for host in (SERVER_HOST, PROXY_HOST)):
        run("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {name}")
        run("kadmin.local", "-r", REALM, "-q", f"ktadd -k {folder}/http.keytab {name}")
    return {**environment, "KRB5_KTNAME": f"{folder}/http.keytab"}


def start_kdc(folder: Path, environment: dict[str, str]) -> Child:
    """Run the KDC in the server's namespace until it listens."""
    argv = network.inside(network.SERVER, "krb5kdc", "-n", "-r", REALM, "-P", str(folder / "kdc.pid"))
    child = start("kdc", argv, folder, environment)

    wait_until("the KDC", lambda: _listens("88"), [child])
    return child


def forged_ticket(folder: Path, environment: dict[str, str]) -> Path:
    """A credential cache with a ticket of bob for the server that the realm's KDC knows nothing of: RC4, and valid for ten years.

    Another KDC makes it, of a realm of the same name whose service has an RC4 key. That key goes into the server's keytab, as the hash of a stolen service
    account is one that its server has. Nothing of this is on the wire that is recorded: the KDC listens on the server's loopback, before the recording begins.
    """
    work = folder / "forger"
    work.mkdir()
    user, password = ACCOUNTS[1]
    (work / "krb5.conf").write_text(_client_config(work).read_text().replace(f"kdc = {network.KDC_IP}", f"kdc = 127.0.0.1:{_FORGER_PORT}"))
    (work / "kdc.conf").write_text(f"""[kdcdefaults]
    kdc_listen = 127.0.0.1:{_FORGER_PORT}
    kdc_tcp_listen = 127.0.0.1:{_FORGER_PORT}
[realms]
    {REALM} = {{
        database_name = {work}/principal
        key_stash_file = {work}/stash
        acl_file = {work}/acl
        max_life = {_TEN_YEARS}
        max_renewable_life = {_TEN_YEARS}
        supported_enctypes = {ETYPES}:normal
        master_key_type = {ETYPES}
    }}
""")
    own = {"PATH": "/usr/sbin:/usr/bin:/bin", "KRB5_CONFIG": str(work / "krb5.conf"), "KRB5_KDC_PROFILE": str(work / "kdc.conf")}

    def run(*argv: str, given: str | None = None, **more: str) -> None:
        done = subprocess.run(network.inside(network.SERVER, *argv), check=False, capture_output=True, text=True, input=given, env={**own, **more})
        if done.returncode:
            msg = f"{argv}: {done.stdout} {done.stderr}"
            raise LabError(msg)

    run("kdb5_util", "create", "-s", "-r", REALM, "-P", "lab-master")
    life = f"-maxlife {_TEN_YEARS}"
    run("kadmin.local", "-r", REALM, "-q", f"modprinc {life} krbtgt/{REALM}")
    run("kadmin.local", "-r", REALM, "-q", f'addprinc {life} -pw "{password}" {user}')
    for name in (f"{service}/{SERVER_HOST}" for service in ("HTTP", "WSMAN")):
        run("kadmin.local", "-r", REALM, "-q", f"addprinc {life} -e arcfour-hmac:normal -randkey {name}")
        run("kadmin.local", "-r", REALM, "-q", f"ktadd -k {environment['KRB5_KTNAME']} -e arcfour-hmac:normal {name}")
    child = start("forger", network.inside(network.SERVER, "krb5kdc", "-n", "-r", REALM, "-P", str(work / "kdc.pid")), work, own)
    cache = folder / FORGED
    try:
        wait_until("the other KDC", lambda: _listens(str(_FORGER_PORT)), [child])
        run("kinit", "-l", _TEN_YEARS, user, given=password, KRB5CCNAME=f"FILE:{cache}")
        for name in (f"{service}/{SERVER_HOST}" for service in ("HTTP", "WSMAN")):
            run("kvno", name, KRB5CCNAME=f"FILE:{cache}")
    finally:
        stop(child)
    cache.chmod(0o644)
    return cache


def _listens(port: str) -> bool:
    argv = network.inside(network.SERVER, "ss", "-Hltn", "sport", "=", f":{port}")
    return bool(subprocess.run(argv, check=True, capture_output=True).stdout)
