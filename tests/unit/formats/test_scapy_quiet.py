"""scapy reads no interfaces, routes or name servers, and neither loads nor makes a file of the user's: told by Python's own audit, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_AUDITED = """
import json, sys
met = []
def hook(event, arguments):
    if event == "open" or event.split(".")[0] in ("socket", "os", "subprocess", "shutil", "pickle"):
        met.append((event, str(arguments[0]), str(arguments[1]) if len(arguments) > 1 else ""))
sys.addaudithook(hook)
WORK
print(json.dumps(met))
"""
_PACKET = "from analyzer import api\nmade = api.analyze(PATH).packet('capture.pcapng', 1).to_scapy()\nassert made.haslayer('TCP')"
_KERBEROS = (
    "from analyzer.auth.schemes import scapy_adapter as a\n"
    "key = a.string_to_key(18, b'x', b'y')\n"
    "assert a.decrypt(key, 2, bytes(64)) is None and a.ticket(bytes(9)) is None"
)
_AS_IT_IS = "import scapy.layers.all"


def met(work: str, home: Path) -> list[tuple[str, str, str]]:
    text = _AUDITED.replace("WORK", work.replace("PATH", repr(str(ROOT / "sample_pcaps" / "direct-basic" / "capture.pcapng"))))
    folders = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data")}
    done = subprocess.run((sys.executable, "-c", text), cwd=ROOT, env=os.environ | folders, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [(event, first, second) for event, first, second in json.loads(done.stdout.splitlines()[-1])]


def unwanted(found: list[tuple[str, str, str]], home: Path) -> list[tuple[str, str, str]]:
    """What is asked of the system's network, and what is done in the user's folders."""
    return [
        (event, first, second)
        for event, first, second in found
        if event in ("socket.__new__", "socket.bind", "socket.connect", "subprocess.Popen", "pickle.find_class")
        or first.startswith(str(home))
        or "/proc/net" in first
        or first == "/etc/resolv.conf"
        or (event == "os.mkdir" and not first.startswith(os.devnull))
        or (event == "open" and set(second) & set("wax+") and not first.startswith(os.devnull))
    ]


@pytest.mark.parametrize("work", [_PACKET, _KERBEROS], ids=["a packet", "Kerberos"])
def test_scapy_is_quiet(work: str, tmp_path: Path) -> None:
    for folder in ("cache/scapy", "config/scapy", "data"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "cache/scapy/services.pickle").write_bytes(b"a cache that would be loaded")
    (tmp_path / "config/scapy/prestart.py").write_text("raise SystemExit", encoding="utf-8")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert unwanted(met(work, tmp_path), tmp_path) == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert (tmp_path / "cache/scapy/services.pickle").read_bytes() == b"a cache that would be loaded"


def test_the_search_finds_what_scapy_does_by_itself(tmp_path: Path) -> None:
    found = {event for event, _, _ in unwanted(met(_AS_IT_IS, tmp_path), tmp_path)}
    assert {"open", "os.mkdir"} <= found
    assert sys.platform != "linux" or "socket.bind" in found


def test_what_was_switched_off_is_there_afterwards(tmp_path: Path) -> None:
    asked = "import os\nfrom scapy.config import conf\nimport scapy.main\nassert conf.route_autoload and 'XDG_CACHE_HOME' in os.environ"
    reads = "\nconf.ifaces.reload()\nassert len(conf.ifaces) > 0"
    found = met(f"{_PACKET}\nmet.clear()\n{asked}{reads}", tmp_path)
    assert sys.platform != "linux" or any(event == "socket.bind" for event, _, _ in found)
