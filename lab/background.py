"""Traffic that has nothing to do with WinRM: `python -m lab.background serve FOLDER`.

Strategy: the server's namespace runs a plain web server, a TLS web server and a small name server; the client asks each of
them (action `background` of lab.clients), for long, well compressible answers, so that a large capture stays a small file.
"""

import http.server
import socket
import ssl
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

from lab import network
from lab.processes import Child, start, wait_until

PAGE_BYTES = 300_000
PLAIN, SECURE, NAMES = 8000, 8443, 53


def start_servers(folder: Path) -> Child:
    """All three servers, as one child in the server's namespace."""
    root = str(Path(__file__).resolve().parent.parent)
    argv = network.inside(network.SERVER, sys.executable, "-m", "lab.background", "serve", str(folder))
    child = start("background", argv, folder, {"PYTHONPATH": root})
    wait_until("the background servers", lambda: "ready" in child.output.read_text(), [child])
    return child


def _web(folder: Path, port: int, context: ssl.SSLContext | None) -> None:
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder / "www"))
    server = http.server.ThreadingHTTPServer((network.SERVER_IP, port), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _name_answer(question: bytes) -> bytes:
    """One A record for whatever was asked (RFC 1035 4.1)."""
    end = question.index(b"\0", 12) + 5
    return question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:end] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\x14\x02\x14"


def _serve(folder: Path) -> None:
    pages = folder / "www"
    pages.mkdir()
    (pages / "log.txt").write_text("2026-11-24 10:00:00 INFO everything is as it was\n" * (PAGE_BYTES // 49))
    (pages / "index.html").write_text("<html><body>nothing to see</body></html>\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=www.lab.example"]
    subprocess.run([*argv, "-keyout", str(folder / "www.key"), "-out", str(folder / "www.crt")], check=True, capture_output=True)
    context.load_cert_chain(folder / "www.crt", folder / "www.key")
    _web(folder, PLAIN, None)
    _web(folder, SECURE, context)
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind((network.SERVER_IP, NAMES))
    print("ready", flush=True)
    while True:
        question, peer = names.recvfrom(512)
        names.sendto(_name_answer(question), peer)


if __name__ == "__main__":
    _serve(Path(sys.argv[2]))
