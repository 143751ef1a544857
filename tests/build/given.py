"""Secrets as tools write them: each form of `analyzer.engine.secrets.formats`, written here by other means than it is read."""

import base64
import json
import struct
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from spnego._ntlm_raw.crypto import ntowfv1

NO_LM = "aad3b435b51404eeaad3b435b51404ee"
OTHER = "0f0e0d0c0b0a09080706050403020100"


class Who(NamedTuple):
    """An account with its password."""

    user: str
    domain: str
    password: str

    @property
    def nt(self) -> str:
        """The NT hash in hexadecimal digits."""
        return bytes(ntowfv1(self.password)).hex()


ALICE = Who("alice", "LAB", "Spring-Rain-2031")


def toml(who: Who) -> str:
    return f'[[password]]\nuser = "{who.user}"\nvalue = "{who.password}"\n'


def secretsdump(who: Who) -> str:
    return f"""Impacket v0.12.0 - Copyright Fortra, LLC and its affiliated companies

[*] Dumping Domain Credentials (domain\\uid:rid:lmhash:nthash)
[*] Using the DRSUAPI method to get NTDS.DIT secrets
Administrator:500:{NO_LM}:{OTHER}:::
krbtgt:502:{NO_LM}:{OTHER[::-1]}:::
lab.example\\{who.user}:1104:{NO_LM}:{who.nt}:::
lab.example\\{who.user}_history0:1104:{NO_LM}:{OTHER}:::
SRV01$:1001:{NO_LM}:{OTHER}:::
[*] Kerberos keys grabbed
lab.example\\{who.user}:aes256-cts-hmac-sha1-96:{OTHER * 2}
lab.example\\{who.user}:aes128-cts-hmac-sha1-96:{OTHER}
lab.example\\{who.user}:des-cbc-md5:0123456789abcdef
[*] Cleaning up...
"""


def cleartext(who: Who) -> str:
    return f"lab.example\\{who.user}:CLEARTEXT:{who.password}\n"


def pypykatz_json(who: Who) -> str:
    session = {
        "authentication_id": 515764,
        "username": who.user,
        "domainname": who.domain,
        "msv_creds": [{"username": who.user, "domainname": who.domain, "NThash": who.nt, "LMHash": None, "SHAHash": "0" * 40}],
        "kerberos_creds": [{"username": who.user, "domainname": "LAB.EXAMPLE", "password": None, "tickets": []}],
    }
    return json.dumps({"lsass.DMP": {"logon_sessions": {"515764": session}, "orphaned_creds": []}}, indent=1)


def pypykatz_grep(who: Who) -> str:
    head = "filename:packagename:domain:user:NT:LM:SHA1:masterkey:sha1_masterkey:key_guid:plaintext"
    return f"{head}\nC:\\dumps\\lsass.DMP:msv:{who.domain}:{who.user}:{who.nt}::{'0' * 40}::::\n"


def pypykatz_text(who: Who) -> str:
    return f"""FILE: ======== lsass.DMP =======
== LogonSession ==
authentication_id 515764 (7deb4)
session_id 2
username {who.user}
domainname {who.domain}
logon_server DC01
\t== MSV ==
\t\tUsername: {who.user}
\t\tDomain: {who.domain}
\t\tLM: NA
\t\tNT: {who.nt}
\t\tSHA1: {"0" * 40}
\t== WDIGEST [7deb4]==
\t\tusername {who.user}
\t\tdomainname {who.domain}
\t\tpassword None
\t\tpassword (hex)
"""


def mimikatz(who: Who) -> str:
    return f"""mimikatz # sekurlsa::logonpasswords

Authentication Id : 0 ; 515764 (00000000:0007deb4)
Session           : Interactive from 2
User Name         : {who.user}
Domain            : {who.domain}
\tmsv :
\t [00000003] Primary
\t * Username : {who.user}
\t * Domain   : {who.domain}
\t * NTLM     : {who.nt}
\t * SHA1     : {"0" * 40}
\twdigest :
\t * Username : {who.user}
\t * Domain   : {who.domain}
\t * Password : (null)
"""


def dcsync(who: Who) -> str:
    return f"""[DC] 'lab.example' will be the domain
Object RDN           : {who.user}
SAM Username         : {who.user}
User Principal Name  : someone.else@lab.example
Credentials:
  Hash NTLM: {who.nt}
    ntlm- 0: {who.nt}
    lm  - 0: {OTHER}
* Primary:Kerberos-Newer-Keys *
    Default Salt : LAB.EXAMPLE{who.user}
    Credentials
      aes256_hmac       (4096) : {OTHER * 2}
      aes128_hmac       (4096) : {OTHER}
"""


def hashes(who: Who) -> str:
    return f"{OTHER}\n{who.nt}\n"


def lm_nt(who: Who) -> str:
    return f"{NO_LM}:{OTHER}\n{NO_LM}:{who.nt}\n"


def user_hash(who: Who) -> str:
    return f"bob:{OTHER}\n{who.domain}\\{who.user}:{who.nt}\n"


def user_lm_nt(who: Who) -> str:
    return f"{who.user}:{NO_LM}:{who.nt}\n"


def user_password(who: Who) -> str:
    return f"bob:not-his\n{who.domain}\\{who.user}:{who.password}\n"


def passwords(who: Who) -> str:
    return f"Passw0rd!\nmonkey\n{who.password}\nSommer 2031\n"


def potfile(who: Who) -> str:
    return f"{OTHER}:wrong\n{who.nt}:$HEX[{who.password.encode().hex()}]\n"


def john_potfile(who: Who) -> str:
    return f"$NT${who.nt}:{who.password}\n"


def cracked_response(who: Who) -> str:
    return f"{who.user.upper()}::{who.domain}:1122334455667788:{OTHER}:0101000000000000{'00' * 40}:{who.password}\n"


def hashcat_shown(who: Who) -> str:
    return f"{who.user}:{who.nt}:{who.password}\n"


OF_PASSWORD: dict[str, Callable[[Who], str]] = {
    one.__name__: one
    for one in (
        *(toml, secretsdump, cleartext, pypykatz_json, pypykatz_grep, pypykatz_text, mimikatz, dcsync, hashes, lm_nt, user_hash),
        *(user_lm_nt, user_password, passwords, potfile, john_potfile, cracked_response, hashcat_shown),
    )
}
"""Every form in which a password or its NT hash is given, by name."""


def keytab(principal: str, realm: str, etype: int, key: bytes) -> bytes:
    """MIT krb5, "The keytab file format"."""
    names = [realm, *principal.split("/")]
    entry = struct.pack(">H", len(names) - 1) + b"".join(_counted(name.encode(), 2) for name in names)
    entry += struct.pack(">IIBH", 1, 0, 3, etype) + _counted(key, 2)
    return b"\x05\x02" + _counted(entry, 4)


def ccache(client: tuple[str, str], service: tuple[str, str], etype: int, key: bytes, ticket: bytes) -> bytes:
    """MIT krb5, "The credential cache file format", version 4: one ticket, and a note of the library."""
    head = b"\x05\x04" + _counted(struct.pack(">HHII", 1, 8, 0, 0), 2)
    note = _credential(client, ("krb5_ccache_conf_data/pa_type", "X-CACHECONF:"), 0, b"", b"2")
    return head + _principal(*client) + note + _credential(client, service, etype, key, ticket)


def _credential(client: tuple[str, str], service: tuple[str, str], etype: int, key: bytes, ticket: bytes) -> bytes:
    rest = struct.pack(">IIIIBI", 0, 0, 0, 0, 0, 0) + struct.pack(">II", 0, 0)
    return _principal(*client) + _principal(*service) + struct.pack(">H", etype) + _counted(key, 4) + rest + _counted(ticket, 4) + _counted(b"", 4)


def _principal(name: str, realm: str) -> bytes:
    parts = name.split("/")
    return struct.pack(">II", 1, len(parts)) + b"".join(_counted(part.encode(), 4) for part in (realm, *parts))


def _counted(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size, "big") + data


def kirbi(client: tuple[str, str], service: tuple[str, str], etype: int, key: bytes, ticket: bytes) -> bytes:
    """A KRB-CRED whose encrypted part is in clear (RFC 4120 section 5.8.1)."""
    info = _sequence(
        (0, _sequence((0, _integer(etype)), (1, _der(4, key)))),
        (1, _der(0x1B, client[1].encode())),
        (2, _name(client[0])),
        (8, _der(0x1B, service[1].encode())),
        (9, _name(service[0])),
    )
    part = _der(0x7D, _sequence((0, _der(0x30, info))))
    sealed = _sequence((0, _integer(0)), (2, _der(4, part)))
    return _der(0x76, _sequence((0, _integer(5)), (1, _integer(22)), (2, _der(0x30, ticket)), (3, sealed)))


def _name(name: str) -> bytes:
    return _sequence((0, _integer(1)), (1, _der(0x30, b"".join(_der(0x1B, part.encode()) for part in name.split("/")))))


def _integer(value: int) -> bytes:
    return _der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _sequence(*fields: tuple[int, bytes]) -> bytes:
    return _der(0x30, b"".join(_der(0xA0 | number, data) for number, data in fields))


def _der(tag: int, data: bytes) -> bytes:
    size = len(data)
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")) + data


def ticket(service: str = "HTTP/srv01.lab.example", realm: str = "LAB.EXAMPLE", etype: int = 18, cipher: bytes = b"c" * 64) -> bytes:
    """A Ticket whose ciphertext nothing opens, unless it is given."""
    sealed = _sequence((0, _integer(etype)), (1, _integer(2)), (2, _der(4, cipher)))
    return _der(0x61, _sequence((0, _integer(5)), (1, _der(0x1B, realm.encode())), (2, _name(service)), (3, sealed)))


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey | None = None) -> bytes:
    made = key or rsa_key()
    return made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def keylog(random: bytes = b"r" * 32) -> str:
    return f"# SSL/TLS secrets\nCLIENT_RANDOM {random.hex()} {'cd' * 48}\n"


_TICKET = (("alice", "LAB.EXAMPLE"), ("HTTP/srv01.lab.example", "LAB.EXAMPLE"), 18, b"k" * 32, ticket())

EXAMPLES: dict[str, Iterable[bytes]] = {
    "keytab": (keytab("HTTP/srv01", "LAB.EXAMPLE", 18, b"k" * 32),),
    "ccache": (ccache(*_TICKET),),
    "kirbi": (kirbi(*_TICKET), base64.encodebytes(kirbi(*_TICKET))),
    "rsa-key": (pem(), rsa_key().private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())),
    "toml": (toml(ALICE).encode(),),
    "keylog": (keylog().encode(),),
    "pypykatz-json": (pypykatz_json(ALICE).encode(),),
    "pypykatz-grep": (pypykatz_grep(ALICE).encode(),),
    "pypykatz": (pypykatz_text(ALICE).encode(),),
    "mimikatz": (mimikatz(ALICE).encode(), dcsync(ALICE).encode()),
    "secretsdump": (secretsdump(ALICE).encode(), cleartext(ALICE).encode()),
    "list": tuple(OF_PASSWORD[name](ALICE).encode() for name in ("hashes", "lm_nt", "user_hash", "passwords", "potfile", "cracked_response", "hashcat_shown")),
}
"""Of each row of the table of forms, what it is to know."""


def written(folder: Path, text: str | bytes, name: str = "given", encoding: str = "utf-8") -> Path:
    """A file of it."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path
