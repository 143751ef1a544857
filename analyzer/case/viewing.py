"""A case folder in the browser: the server on loopback, and what it may show."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from analyzer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOOPBACK = "127.0.0.1"


@contextmanager
def server(
    folder: Path, port: int, *, show_secrets: bool, secrets: str | None = None, keylog: str | None = None, keytab: str | None = None
) -> Iterator[tuple[str, Callable[[], None]]]:
    """(address, what serves until it is interrupted). ``secrets``, ``keylog``, ``keytab``: files whose values are masked, too.

    `InputError`: it is no case folder. `UsageError`: the extra is not installed, or the port is taken.
    """
    from analyzer.case.opened import opened_folder
    from analyzer.engine.store import stored_files
    from analyzer.tables.paging import StoredTables

    try:
        from waitress.server import create_server

        from analyzer.viewer.app import Viewer, app, new_token
    except ImportError as error:
        msg = "this needs two more packages: pip install 'winrm-analyzer[viewer]'"
        raise UsageError(msg) from error
    case = opened_folder(folder).hiding(secrets, keylog, keytab)
    holds = bool(case.manifest().get("show_secrets"))
    if show_secrets:
        case = case.show_secrets()
    told, hosts = case.manifest().get("diagnosis"), list[str]()
    diagnosis = [str(line) for line in told] if isinstance(told, list) else []
    token = new_token()
    viewer = Viewer(folder.resolve().name, diagnosis, StoredTables(stored_files(folder)), case.shown_rows, token, sql=show_secrets or not holds)
    listening = _listening(port)
    taken = listening.getsockname()[1]
    made = create_server(app(viewer, hosts), sockets=[listening], threads=4, ident="", clear_untrusted_proxy_headers=True)
    hosts += [f"{LOOPBACK}:{taken}", f"localhost:{taken}"]
    try:
        yield f"http://{LOOPBACK}:{taken}/{token}/", made.run
    finally:
        made.close()


def _listening(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.bind((LOOPBACK, port))
        made.listen()
    except OSError as error:
        made.close()
        msg = f"port {port} cannot be used: {error.strerror or error}"
        raise UsageError(msg) from error
    return made
