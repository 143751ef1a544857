"""Handshakes for transcripts. NTLM ones come from live pyspnego contexts, Kerberos ones are well-formed but hold no real ticket; each number is another one."""

import base64
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import spnego

from tests.build.talk_http import Field, Reply, offer, reply
from tests.unit.auth.builders import ap_rep, ap_req, framed

_PASSWORD = "Passw0rd"
_PASSWORDS = {"alice": _PASSWORD, "bob": _PASSWORD, "carol": _PASSWORD}


class Shake(NamedTuple):
    """A handshake: the header's word, and the tokens of the client and of the server in turn (the server's last one is empty when it sends none)."""

    scheme: str
    client: tuple[bytes, ...]
    server: tuple[bytes, ...]

    def credentials(self, turn: int, header: str = "Authorization") -> Field:
        """The client's header of round trip ``turn`` (from 0)."""
        return header, f"{self.scheme} {_b64(self.client[turn])}"

    def challenge(self, turn: int = 0) -> Reply:
        """The server's 401 that goes on."""
        return offer(f"{self.scheme} {_b64(self.server[turn])}")

    def proxy_challenge(self, turn: int = 0) -> Reply:
        """A proxy's 407 that goes on."""
        return reply(407, ("Proxy-Authenticate", f"{self.scheme} {_b64(self.server[turn])}"))

    @property
    def last_token(self) -> tuple[Field, ...]:
        """The header of the response that ends the handshake."""
        return (("WWW-Authenticate", f"{self.scheme} {_b64(self.server[-1])}"),) if self.server[-1] else ()

    @property
    def trips(self) -> int:
        """How many round trips it takes."""
        return len(self.client)


@cache
def ntlm(user: str = "alice", number: int = 1, *, scheme: str = "Negotiate") -> Shake:
    """A raw NTLM handshake of ``LAB\\user``; equal arguments give equal bytes within a run."""
    _ = number
    return _live(user, scheme, "ntlm")


@cache
def spnego_ntlm(user: str = "alice", number: int = 1) -> Shake:
    """NTLM wrapped in SPNEGO, with a token in the last response."""
    _ = number
    return _live(user, "Negotiate", "negotiate")


def kerberos(number: int = 1, *, scheme: str = "Negotiate") -> Shake:
    """An AP-REQ and its AP-REP; ``number`` changes bytes of the ticket."""
    mark = number.to_bytes(4, "big")
    return Shake(scheme, (framed(b"\x01\x00", ap_req().replace(b"\x5a" * 4, mark, 1)),), (framed(b"\x02\x00", ap_rep().replace(b"\x5a" * 4, mark, 1)),))


def handmade(negotiate: bytes, challenge: bytes, authenticate: bytes, *, scheme: str = "Negotiate") -> Shake:
    """A handshake of tokens that the test made byte by byte."""
    return Shake(scheme, (negotiate, authenticate), (challenge, b""))


def basic(user: str = "alice", password: str = _PASSWORD, header: str = "Authorization") -> Field:
    """The header of Basic authentication (RFC 7617)."""
    return header, "Basic " + _b64(f"{user}:{password}".encode())


def _live(user: str, scheme: str, protocol: str) -> Shake:
    with tempfile.TemporaryDirectory() as folder:
        accounts = Path(folder, "accounts")
        accounts.write_text(f"LAB:{user}:{_PASSWORD}\n", encoding="utf-8")
        with mock.patch.dict(os.environ, {"NTLM_USER_FILE": str(accounts)}):
            options = spnego.NegotiateOptions.use_negotiate if protocol == "negotiate" else spnego.NegotiateOptions.none
            client = spnego.client(f"LAB\\{user}", _PASSWORD, hostname="srv01", service="HTTP", protocol=protocol, options=options)
            server = spnego.server(hostname="srv01", service="HTTP", protocol=protocol, options=options)
            asked: list[bytes] = []
            answered: list[bytes] = []
            token: bytes | None = None
            while not client.complete:
                token = client.step(token)
                if not token:
                    break
                asked.append(token)
                token = server.step(token)
                answered.append(token or b"")
            return Shake(scheme, tuple(asked), tuple(answered))


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
