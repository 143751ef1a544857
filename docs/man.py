"""Writes the man pages of the commands: ``make man``, or ``python docs/man.py FOLDER`` with the extra ``docs``."""

import sys
from pathlib import Path

from click_man.core import write_man_pages

from analyzer.cli.commands import cli
from analyzer.version import __version__

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_man_pages("winrm-analyzer", cli, version=__version__, target_dir=str(folder))
    print(f"{folder}: {len(list(folder.glob('*.1')))} pages")
