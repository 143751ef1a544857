"""TLS as OpenSSL speaks it, for transcripts: two ends in memory whose bytes a `Talk` carries; certificates for
tests."""

import datetime as dt
import ipaddress
import ssl
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
"""When transcripts begin."""
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
Version = ssl.TLSVersion
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME: tests pass at any time."""


class Line(Protocol):
    """What carries bytes both ways."""

    def send(self, said: bytes) -> int: ...

    def answer(self, said: bytes) -> int: ...


class Tape:
    """Keeps what is said: ``said`` has the flights in order."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def send(self, said: bytes) -> int:
        """The client's flight."""
        self.said.append(said)
        return len(self.said)

    answer = send


class Paper(NamedTuple):
    """A certificate with its key, in a PEM file."""

    file: Path
    der: bytes


class Shaken(NamedTuple):
    """Packets of a handshake: the first of the client's and of the server's flights, and which side gave up, with its
    error."""

    asked: tuple[int, ...]
    answered: tuple[int, ...]
    failed: str | None
    ends: "tuple[End, End]"


class End:
    """One end of TLS in memory."""

    def __init__(self, context: ssl.SSLContext, *, server: bool, name: str | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server, server_hostname=name)

    def step(self, act: Callable[[], object]) -> str | None:
        """Does something, as far as the bytes that came allow; gives the error that ends it."""
        try:
            act()
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError as error:
            return error.reason or "failed"
        return None


@cache
def paper(
    name: str = "srv01.lab.example",
    *,
    days: tuple[int, int] = (-30, 335),
    alternative: str | None = "",
    ca: str | None = None,
) -> Paper:
    """A certificate for ``name``, valid from and to so many days from `NOW`; ``alternative``: its other name ("" the
    same, None without one); signed by
    itself, or by an authority named ``ca``."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = key if ca is None else ec.generate_private_key(ec.SECP256R1())
    issuer = subject if ca is None else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ca)])
    begin, end = (NOW + dt.timedelta(days=number) for number in days)
    made = x509.CertificateBuilder(issuer, subject, key.public_key(), 7, begin, end)
    if alternative is not None:
        made = made.add_extension(x509.SubjectAlternativeName([_general(alternative or name)]), critical=False)
    signed = made.sign(signer, hashes.SHA256())
    file = Path(tempfile.mkdtemp()) / "paper.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return Paper(file, signed.public_bytes(serialization.Encoding.DER))


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def server(own: Paper, *versions: Version, asks: Paper | None = None, ciphers: str = "") -> ssl.SSLContext:
    """A server's settings; ``asks``: it wants a certificate that this one has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file)
    if asks is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= _NO_CHECK_TIME
        context.load_verify_locations(asks.file)
    return _limited(context, versions, ciphers)


def client(
    *versions: Version,
    trusts: Paper | None = None,
    own: Paper | None = None,
    ciphers: str = "",
    checks: bool = True,
    dates: bool = False,
) -> ssl.SSLContext:
    """A client's settings; it checks the certificate, but not its name, and its dates (by today's) only when told
    to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if checks else ssl.CERT_NONE
    if not dates:
        context.verify_flags |= _NO_CHECK_TIME
    if trusts is not None:
        context.load_verify_locations(trusts.file)
    if own is not None:
        context.load_cert_chain(own.file)
    return _limited(context, versions, ciphers)


def _limited(context: ssl.SSLContext, versions: tuple[Version, ...], ciphers: str) -> ssl.SSLContext:
    if versions:
        context.minimum_version, context.maximum_version = min(versions), max(versions)
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def shake(talk: Line, near: ssl.SSLContext, far: ssl.SSLContext, *, name: str | None = "srv01.lab.example") -> Shaken:
    """A handshake on a connection, up to its end or to the alert of the side that gives up."""
    ends = End(near, server=False, name=name), End(far, server=True)
    asked: list[int] = []
    answered: list[int] = []
    failed = None
    for _ in range(6):
        for end, other, say, places in (
            (ends[0], ends[1], talk.send, asked),
            (ends[1], ends[0], talk.answer, answered),
        ):
            failed = failed or end.step(end.tls.do_handshake)
            said = end.outgoing.read()
            if said:
                places.append(say(said))
                other.incoming.write(said)
            elif failed:
                return Shaken(tuple(asked), tuple(answered), failed, ends)
    return Shaken(tuple(asked), tuple(answered), failed, ends)


def exchange(talk: Line, shaken: Shaken, asked: bytes, answered: bytes) -> tuple[int, int]:
    """Application data both ways; the packets."""
    return _say(shaken.ends, asked, talk.send), _say(shaken.ends[::-1], answered, talk.answer)


def _say(ends: tuple[End, ...], text: bytes, say: Callable[[bytes], int]) -> int:
    ends[0].tls.write(text)
    said = ends[0].outgoing.read()
    ends[1].incoming.write(said)
    ends[1].step(lambda: ends[1].tls.read(len(text)))
    return say(said)


def hello(name: str | None = "srv01.lab.example") -> bytes:
    """A ClientHello alone."""
    end = End(client(checks=False), server=False, name=name)
    end.step(end.tls.do_handshake)
    return end.outgoing.read()
