"""WCAG 2.2 AA as axe-core sees it: the report in Chromium, light and dark, narrow and wide. axe-core (MPL-2.0) is not part of the project.

``npm install axe-core`` in a folder, and AXE_CORE=FOLDER/node_modules/axe-core/axe.min.js, let the test run.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import analyzer
from analyzer.case import viewing
from tests.build import evidence as build
from tests.golden.samples import captures, truth
from tests.unit.reports.browser import PROGRAM, Browser

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@cache
def axe() -> Path | None:
    """The script of axe-core, where the environment or npm knows one."""
    named = os.environ.get("AXE_CORE")
    if named:
        return Path(named)
    if shutil.which("npm") is None:
        return None
    for words in (["npm", "root"], ["npm", "root", "-g"]):
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        found = Path(done.stdout.strip()) / "axe-core" / "axe.min.js"
        if done.returncode == 0 and found.is_file():
            return found
    return None


pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="needs the program chromium"),
    pytest.mark.skipif(axe() is None, reason="needs axe-core: npm install axe-core, and AXE_CORE=FOLDER/node_modules/axe-core/axe.min.js"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports that show every section, and one that has next to nothing."""
    folder = tmp_path_factory.mktemp("reports")
    made = {"nothing": build.case(build.nothing()), "hostile": build.case(build.hostile("<x>"))}
    for name in ("nginx-pooled-second-client", "evil-winrm-py-session"):
        sample = SAMPLES / name
        made[name] = analyzer.analyze(captures(sample, truth(sample)), secrets=sample / "secrets.toml")
    for name, case in made.items():
        case.report(folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in made}


def violations(browser: Browser, path: Path | str, width: int, *, dark: bool) -> list[str]:
    """What axe-core finds wrong, each with the elements."""
    browser.size(width)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
    browser.open(path)
    script = axe()
    assert script is not None
    browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    browser.value(script.read_text(encoding="utf-8") + "; 1")
    told = browser.value(f"axe.run(document, {{runOnly: {json.dumps(TAGS)}, resultTypes: ['violations']}}).then(found => JSON.stringify(found.violations))")
    assert told, "axe-core did not run"
    found: list[dict[str, Any]] = json.loads(told)
    return [f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("name", ["nginx-pooled-second-client", "evil-winrm-py-session", "nothing", "hostile"])
def test_the_report_has_no_barrier_that_axe_knows(browser: Browser, pages: dict[str, Path], name: str, width: int, dark: bool) -> None:  # noqa: FBT001 (parametrized)
    assert violations(browser, pages[name], width, dark=dark) == []


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a viewer of a case with every table."""
    folder, sample = tmp_path_factory.mktemp("viewer") / "case", SAMPLES / "nginx-pooled-second-client"
    analyzer.analyze(captures(sample, truth(sample)), secrets=sample / "secrets.toml").save(folder)
    with viewing.server(folder, 0, show_secrets=False) as (address, run):
        Thread(target=run, daemon=True).start()
        yield address


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("page", ["", "table/exchanges?all=1", "row/connections/c1", "ladder/c1", "search?q=wsman", "sql?q=select 1 as one"])
def test_the_viewer_has_no_barrier_that_axe_knows(browser: Browser, viewer: str, page: str, width: int, dark: bool) -> None:  # noqa: FBT001 (parametrized)
    browser.call("Page.setBypassCSP", enabled=True)  # axe-core is a script, and the viewer allows none
    assert violations(browser, f"{viewer}{page}", width, dark=dark) == []
    assert all(one.startswith((viewer.rpartition("/")[0], "data:")) for one in browser.requests())


def test_the_check_can_fail(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<html><body><img src='data:,'><p style='color:#bbb;background:#fff'>pale</p></body></html>", encoding="utf-8")
    found = violations(browser, path, 1400, dark=False)
    assert {"color-contrast", "image-alt", "html-has-lang"} <= {one.partition(" ")[0] for one in found}
