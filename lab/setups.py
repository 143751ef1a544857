"""How a proxy is run, and words that all of them understand."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from lab.network import SERVER_IP

UPSTREAM_PORT = 5985


class Setup(NamedTuple):
    """How a proxy is run: its configuration, its command, the port it listens on and the command that tells its version."""

    config: str
    argv: list[str]
    port: int
    version: list[str]


def target_of(options: dict[str, Any]) -> tuple[str, int]:
    """Host and port of the next hop: the server, unless the options name another."""
    host, _, port = options.get("target", f"{SERVER_IP}:{UPSTREAM_PORT}").rpartition(":")
    return host, int(port)


def certificate(folder: Path, name: str, host: str) -> None:
    """A self-signed certificate and its key, in NAME.crt, NAME.key and together in NAME.pem."""
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}"]
    argv += [
        "-addext",
        f"subjectAltName=DNS:{host}",
        "-keyout",
        str(folder / f"{name}.key"),
        "-out",
        str(folder / f"{name}.crt"),
    ]
    subprocess.run([*argv, "-days", "3650"], check=True, capture_output=True)
    (folder / f"{name}.pem").write_text((folder / f"{name}.crt").read_text() + (folder / f"{name}.key").read_text())


def expired_certificate(folder: Path, name: str, host: str) -> None:
    """The same, valid until a year before the lab's days."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    begin = datetime.now(UTC) - timedelta(days=1095)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(begin + timedelta(days=730))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    made = builder.sign(key, hashes.SHA256())
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(text)
