"""The program as its users have it: installed by pip into a virtual environment of its own, not editable, kernel and bytecode compiled.

A checkout that developers run starts slower: its modules are found by a hook, and are compiled anew in every run where ``PYTHONDONTWRITEBYTECODE`` is set.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import environment

ROOT = Path(__file__).parents[1]
CHECKOUT = [sys.executable, "-m", "analyzer"]
SOURCES = ("analyzer", "pyproject.toml", "setup.py", "README.md", "LICENSE")


def installed(folder: Path) -> tuple[list[str], str]:
    """(the command, what was measured): the program installed anew below ``folder``, or the one of this checkout when that fails, with the reason."""
    source, place = folder / "source", folder / "installed"
    for made in (source, place):
        shutil.rmtree(made, ignore_errors=True)
    source.mkdir(parents=True)
    for name in SOURCES:  # a copy: pip builds in the folder that it is given, where modules that are no more may still lie
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    try:
        _run(sys.executable, "-m", "venv", "--without-pip", str(place))
        _run(sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "install", "--quiet", "--disable-pip-version-check", str(source))
        version = _run(str(place / "bin" / "winrm-analyzer"), "--version")
    except (RuntimeError, OSError) as error:
        return CHECKOUT, f"the program of the checkout, since it could not be installed ({error})"
    return [str(place / "bin" / "winrm-analyzer")], f"installed by pip: {version.strip()}"


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        msg = f"{Path(command[0]).name} ended with {done.returncode}{': ' + said[-1] if said else ''}"
        raise RuntimeError(msg)
    return done.stdout
