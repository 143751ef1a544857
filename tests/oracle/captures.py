"""The captures that both of us read: our samples, and those of the folder named by WINRM_CAPTURES."""

import os
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_FOLDER = os.environ.get("WINRM_CAPTURES", "")
_ENDINGS = {".pcap", ".pcapng", ".cap", ".dmp", ".pcapnano"}
SAMPLES = tuple(str(file.relative_to(_ROOT)) for file in sorted((_ROOT / "sample_pcaps").glob("*/*.pcap*")))
PUBLIC = tuple(str(file.relative_to(_FOLDER)) for file in sorted(Path(_FOLDER).rglob("*")) if file.suffix in _ENDINGS) if _FOLDER else ()
NAMES = (*SAMPLES, *PUBLIC)


def path(name: str) -> Path:
    """Where the capture of that name lies."""
    return Path(_FOLDER, name) if name in PUBLIC else _ROOT / name
