"""An MIT KDC for the lab's realm: database, keytab and configuration inside the scenario's folder."""

import subprocess
from pathlib import Path

from lab import network
from lab.accounts import ACCOUNTS, REALM, SERVER_HOST
from lab.processes import Child, start, wait_until

PROXY_HOST = "winrm.lab.example"
ETYPES = "aes256-cts-hmac-sha1-96"


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

    def listens() -> bool:
        argv = network.inside(network.SERVER, "ss", "-Hltn", "sport", "=", ":88")
        return bool(subprocess.run(argv, check=True, capture_output=True).stdout)

    wait_until("the KDC", listens, [child])
    return child
