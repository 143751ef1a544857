"""The pictures of a case: well-formed for any evidence, safe for hostile text, and true to the tables."""

import re
from html import escape
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import analyzer
from tests.build import careless
from tests.build import evidence as build
from tests.golden.samples import captures, truth
from tests.unit.reports.test_filled import SAMPLES

NAMES = ("map", "connections", "timeline", "latency", "commands")
HOSTILE = "<script>alert(1)</script>]]>\"'&\x1b[31m\u202e\x00"


def case(name: str) -> analyzer.Case:
    sample = SAMPLES / name
    secrets = sample / "secrets.toml"
    return analyzer.analyze(captures(sample, truth(sample)), secrets=secrets if secrets.exists() else None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("made", ["nothing", "hostile", "evil-winrm-py-session", "nginx-pooled-second-client", "badproxy-reset-after-200"])
def test_every_picture_is_well_formed_and_holds_nothing_that_acts(name: str, made: str) -> None:
    one = build.case(build.nothing()) if made == "nothing" else build.case(build.hostile(HOSTILE)) if made == "hostile" else case(made)
    plot = getattr(one.plot, name)()
    root = ET.fromstring(plot.svg)  # noqa: S314  our own drawing
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "text", "rect", "path", "tspan", "g"}
    assert not re.search(r"\bon\w+=|href", plot.svg)
    assert plot._repr_html_().startswith("<img alt=")
    assert "Plot" in repr(plot)


def test_latency_is_shared_between_client_proxy_and_server() -> None:
    one = case("two-legs-clock-offset")
    rows = {row["label"]: row for row in one.plot.latency().rows}
    hops = one.hops
    assert rows
    near = hops[hops.client_connection_id.isin(rows)]
    for label, row in rows.items():
        own = near[near.client_connection_id == label]
        actions = one.exchanges.set_index("exchange_id").action
        kept = own[own.client_exchange_id.map(actions).ne("Receive")]
        assert row["proxy"] == pytest.approx(kept.proxy_delay_s.clip(lower=0).sum(), rel=0.5, abs=0.05)
        assert row["server"] > 0


def test_a_direct_client_has_no_share_of_a_proxy() -> None:
    rows = case("evil-winrm-py-session").plot.latency().rows
    assert rows
    assert all(row["proxy"] == 0 for row in rows)


def test_a_lane_for_each_connection_and_a_mark_for_each_logon() -> None:
    one = case("nginx-pooled-second-client")
    rows = one.plot.connections().rows
    winrm = one.connections[one.connections.winrm == True]  # noqa: E712  pandas
    assert {row["lane"].partition(" ")[0] for row in rows} == set(winrm.connection_id)
    assert sum(row["words"].startswith("logon ") for row in rows) == len(one.authentications[one.authentications.connection_id.isin(winrm.connection_id)])


def test_every_command_is_a_mark() -> None:
    one = case("evil-winrm-py-session")
    assert [row["words"].partition(":")[0] for row in one.plot.commands().rows] == list(one.commands.command_id)


def test_passwords_are_masked(tmp_path: Path) -> None:
    paths = careless.written(tmp_path)
    one = analyzer.analyze(paths[0], secrets=paths[1])
    drawn = "".join(getattr(one.plot, name)().svg + str(getattr(one.plot, name)().rows) for name in NAMES)
    assert careless.PASSWORD not in drawn
    assert escape(careless.PASSWORD) not in drawn
    assert one.plot.commands().rows


def test_an_opened_case_draws_the_same(tmp_path: Path) -> None:
    one = case("nginx-pooled-second-client")
    opened = one.save(tmp_path / "case")
    assert [getattr(opened.plot, name)().svg for name in NAMES] == [getattr(one.plot, name)().svg for name in NAMES]


def test_interactive_where_plotly_is_installed() -> None:
    go = pytest.importorskip("plotly.graph_objects")
    plots = case("nginx-pooled-second-client").plot
    for name in ("connections", "timeline", "latency"):
        assert isinstance(getattr(plots, name)().interactive(), go.Figure)
    with pytest.raises(analyzer.AnalyzerError, match="only as a picture"):
        plots.map().interactive()
