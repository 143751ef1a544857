"""scapy, loaded without what it does for people who send packets with it.

While it is imported it asks the system for interfaces, routes and name servers, makes folders in the user's home, and loads and writes pickled tables
there. None of it is wanted by who reads a capture offline. Here this is switched off for the time of the import. Whoever uses scapy afterwards finds all
of it: interfaces and routes are then read when scapy is asked for them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FOLDERS = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")


@contextmanager
def quietly() -> Iterator[None]:
    """What is imported of scapy inside of it is imported in this way; what was imported before, by whomever, stays."""
    with _without_folders():
        from scapy.config import conf

        routes = conf.route_autoload, conf.route6_autoload
        conf.route_autoload = conf.route6_autoload = False
        try:
            with _without_interfaces():
                yield
        finally:
            conf.route_autoload, conf.route6_autoload = routes


@contextmanager
def _without_folders() -> Iterator[None]:
    """The folders of the user are said to lie where no folder can be: scapy makes none then, and has no caches."""
    before = {name: os.environ.get(name) for name in _FOLDERS}
    os.environ.update(dict.fromkeys(_FOLDERS, os.path.join(os.devnull, "none")))  # noqa: PTH118  a text
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_interfaces() -> Iterator[None]:
    """Interfaces and name servers are not asked for."""
    from scapy import interfaces

    table: Any = interfaces.NetworkInterfaceDict
    reload, table.reload = table.reload, _nothing
    try:
        from scapy import arch

        names: Any = getattr(arch, "read_nameservers", _none)
        arch.read_nameservers = _none
        try:
            yield
        finally:
            arch.read_nameservers = names
    finally:
        table.reload = reload


def _nothing(_self: object) -> None:
    """In the place of what reads the interfaces."""


def _none() -> list[str]:
    """In the place of what reads the name servers."""
    return []
