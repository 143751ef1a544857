"""A small WinRM server: `python -m lab.server OPTIONS.json`, run inside the server's namespace.

Strategy: one thread per connection and one Login per connection, so that the wire shows what HTTP.sys would show. Each
request becomes one JSON line of the log: the second, independent source of the ground truth.
"""

import dataclasses
import email.utils
import hashlib
import json
import socket
import ssl
import struct
import sys
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spnego.exceptions import SpnegoError

from lab import cim, collector, framing, httpsys, shells, sldc, soap
from lab.accounts import DOMAIN
from lab.login import Login, Verdict, challenges, check
from lab.wire import Message, read_message

SOAP_TYPE = "application/soap+xml;charset=UTF-8"
CERTIFICATE = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
REASONS = {200: "", 400: "Bad Request", 401: "", 404: "Not Found", 500: ""}


@dataclass(slots=True)
class Service:
    """The server's options and what its connections share."""

    schemes: tuple[str, ...]
    allow_unencrypted: bool
    service: str
    anonymous: bool
    credssp_keylog: str | None
    tls: ssl.SSLContext | None
    log: Path
    log_lock: threading.Lock
    shells: shells.Shells
    idle_limit_s: float
    conduct: dict[str, Any]
    served: int = 0
    classes: cim.Classes = field(default_factory=cim.Classes)
    batches: int = 0
    """How many batches of events came."""


@dataclass(slots=True)
class Answer:
    status: int
    content_type: str | None = None
    body: bytes = b""
    action: str | None = None
    error: str | None = None
    plain: tuple[bytes, bytes] | None = None
    sealed: bool = False


def _log(service: Service, row: dict[str, object]) -> None:
    with service.log_lock, service.log.open("a") as file:
        file.write(json.dumps(row) + "\n")


def _sent(answer: Answer, verdict: Verdict, *, keep: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, '')}"]
    if answer.content_type:
        lines.append(f"Content-Type: {answer.content_type}")
    lines.append("Server: Microsoft-HTTPAPI/2.0")
    values = verdict.challenge if answer.status == 401 else [verdict.token] if verdict.token else []
    lines += [f"WWW-Authenticate: {value}" for value in values]
    lines.append("Date: " + email.utils.formatdate(usegmt=True))
    if not keep:
        lines.append("Connection: close")
    lines.append(f"Content-Length: {len(answer.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + answer.body


def _soap(service: Service, document: bytes, user: str, client: str) -> tuple[int, bytes, str]:
    request = dataclasses.replace(soap.parsed(document), client=client)
    if request.action == "Identify":
        return 200, soap.identified(), "Identify"
    if collector.wanted(request) and "collector" in service.conduct:
        with service.shells.lock:
            status, answer = collector.handle(service.conduct, service.shells.journal, request, service.batches)
            service.batches += request.word == "Events"
        return status, answer, request.word
    if cim.wanted(request):
        with service.shells.lock:
            status, answer = cim.handle(service.classes, service.shells.journal, request, request.selectors)
        return status, answer, request.word
    status, answer = shells.handle(service.shells, request, user)
    return status, answer, request.word


def _answered(service: Service, login: Login, message: Message, user: str, client: str) -> Answer:
    """The answer to a request of an authenticated user."""
    content_type = message.header("Content-Type") or ""
    if not message.body:
        return Answer(200)
    sealed = content_type.startswith(("multipart/encrypted", "multipart/x-multi-encrypted"))
    compressed = (message.header("Content-Encoding") or "").upper() == "SLDC"
    if not sealed and not service.allow_unencrypted and service.tls is None:
        return Answer(500, error="unencrypted message refused")
    try:
        if not sealed:
            status, document, action = _soap(service, sldc.unpacked(message.body) if compressed else message.body, user, client)
            return Answer(status, SOAP_TYPE, document, action, plain=(message.body, document))
        if login.context is None or not login.context.complete:
            return Answer(400, error="sealed body without a context", sealed=True)
        protocol = framing.protocol_of(content_type)
        plain = framing.opened(login.context, message.body, credssp="CredSSP" in protocol)
        status, document, action = _soap(service, sldc.unpacked(plain) if compressed else plain, user, client)
        kind, body = framing.sealed(login.context, document, protocol)
        return Answer(status, kind, body, action, plain=(plain, document), sealed=True)
    except (SpnegoError, framing.SealError, ssl.SSLError, ET.ParseError) as error:
        return Answer(400, error=f"{type(error).__name__}: {error}", sealed=sealed)


def _digests(answer: Answer) -> dict[str, object]:
    """Size and SHA-256 of the plain SOAP of a request and its answer."""
    if answer.plain is None:
        return {}
    row: dict[str, object] = {}
    for side, document in zip(("request", "response"), answer.plain, strict=True):
        row |= {f"{side}_plain_bytes": len(document), f"{side}_plain_sha256": hashlib.sha256(document).hexdigest()}
    return row


def _certified(link: socket.socket, authorization: str | None) -> Verdict | None:
    """The verdict over a request that relies on the client's certificate, whose subject names the user."""
    if authorization != CERTIFICATE or not isinstance(link, ssl.SSLSocket):
        return None
    subject = dict(pair for name in (link.getpeercert() or {}).get("subject", ()) for pair in name)
    if "commonName" not in subject:
        return Verdict(None, [CERTIFICATE], error="no client certificate", mechanism="certificate")
    return Verdict(f"{DOMAIN}\\{subject['commonName']}", mechanism="certificate")


def _turn(service: Service) -> int:
    """How many requests the whole server has served before this one."""
    with service.log_lock:
        service.served += 1
        return service.served - 1


def _hung(service: Service, action: str | None) -> bool:
    return action in service.conduct.get("stalls", ())


def _verdict(service: Service, login: Login, link: socket.socket, authorization: str | None) -> Verdict:
    if service.anonymous and authorization is None:
        return Verdict("root")
    return _certified(link, authorization) or check(login, authorization)


def _serve(service: Service, link: socket.socket, peer: tuple[str, int], local: tuple[str, int]) -> None:
    login = Login(service.schemes, service.service, service.credssp_keylog, no_ntlm=bool(service.conduct.get("no_ntlm")))
    stream = link.makefile("rb")
    named = httpsys.proxy_header(stream) if service.conduct.get("proxy_header") else None
    position = 0

    def go_on() -> None:
        link.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    while (message := read_message(stream, go_on=go_on)) is not None:
        position += 1
        started = time.time()
        method, target, _ = message.start.split(" ", 2)
        authorization = message.header("Authorization")
        # Who does not expect a PROXY header takes it for a request line.
        page = httpsys.INVALID_VERB if method == "PROXY" else httpsys.refused(service.conduct, message, _turn(service))
        verdict = Verdict(None) if page else _verdict(service, login, link, authorization)
        if page:
            answer = Answer(page.status, error=f"HTTP layer: {page.heading}")
        elif not target.lower().startswith("/wsman"):
            answer = Answer(404, "text/html", b"<h1>Not Found</h1>")
        elif verdict.user is None:
            answer = Answer(401)
        else:
            answer = _answered(service, login, message, verdict.user, peer[0])
        if answer.status == 401 and not verdict.challenge:
            verdict.challenge = challenges(login)
        keep = message.keeps_open and not page
        _log(
            service,
            {
                "time": started,
                "peer": f"{peer[0]}:{peer[1]}",
                "local": f"{local[0]}:{local[1]}",
                "position": position,
                "method": method,
                "target": target,
                "version": message.version,
                "headers": message.headers,
                "body_bytes": len(message.body),
                "body_sha256": hashlib.sha256(message.body).hexdigest(),
                "status": answer.status,
                "user": verdict.user,
                "mechanism": verdict.mechanism,
                "action": answer.action,
                "error": verdict.error or answer.error,
                "sealed": answer.sealed,
                **({"proxy_header": named} if named else {}),
                **({"unanswered": True} if _hung(service, answer.action) else {}),
                **_digests(answer),
            },
        )
        with service.shells.lock:
            journal, service.shells.journal = service.shells.journal, []
        for row in journal:
            _log(service, row)
        if collector.mute(service.conduct, journal):
            return
        if _hung(service, answer.action):
            threading.Event().wait(service.idle_limit_s)
            return
        link.sendall(page.message if page else _sent(answer, verdict, keep=keep))
        if not keep:
            break


def _reset(link: socket.socket) -> None:
    """Closing sends RST instead of FIN, also when everything was read."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _connection(service: Service, link: socket.socket, peer: tuple[str, int]) -> None:
    local = link.getsockname()
    link.settimeout(service.idle_limit_s)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        first = link.recv(1, socket.MSG_PEEK) if not service.conduct.get("proxy_header") else b""
        if service.tls is not None:
            if service.conduct.get("reset_hello") or first not in (b"\x16", b""):
                # Schannel says nothing to what is no TLS, and neither does a listener without a usable certificate.
                _reset(link)
                return
            link = service.tls.wrap_socket(link, server_side=True)
        elif first == b"\x16":
            link.recv(4096)
            link.sendall(httpsys.INVALID_VERB.message)
            return
        _serve(service, link, peer, local)
    except (OSError, ValueError) as error:
        _log(service, {"time": time.time(), "peer": f"{peer[0]}:{peer[1]}", "connection_error": repr(error)})
    finally:
        link.close()


def main(options_path: str) -> None:
    """Serve until killed."""
    options = json.loads(Path(options_path).read_text())
    conduct = options.get("conduct", {})
    tls = None
    if options.get("certificate"):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options["certificate"], options["key"])
        if options.get("tls_keylog"):
            tls.keylog_filename = options["tls_keylog"]
        if options.get("authority"):
            tls.load_verify_locations(options["authority"])
            tls.verify_mode = ssl.CERT_REQUIRED if conduct.get("certificate_required") else ssl.CERT_OPTIONAL
        if conduct.get("tls_versions"):
            tls.minimum_version, tls.maximum_version = (ssl.TLSVersion[word] for word in conduct["tls_versions"])
    service = Service(
        tuple(options["schemes"]),
        options["allow_unencrypted"],
        options["service"],
        options["anonymous"],
        options.get("credssp_keylog"),
        tls,
        Path(options["log"]),
        threading.Lock(),
        shells.Shells(limits=conduct),
        options["idle_limit_s"],
        conduct,
    )
    family = socket.AF_INET6 if ":" in options["address"] else socket.AF_INET
    listener = socket.create_server((options["address"], options["port"]), family=family, backlog=64)
    while True:
        link, peer = listener.accept()
        threading.Thread(target=_connection, args=(service, link, peer[:2]), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
