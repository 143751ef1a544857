"""Operations on classes and event forwarding of the samples, held against what the server wrote down of them: row by row, value by value."""

import json
from pathlib import Path

import pytest

import analyzer
from analyzer.api import Case
from tests.golden.samples import truth

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
ALL = sorted(path.parent.name for path in SAMPLES.glob("*/truth.json"))
WITH_OPERATIONS = [name for name in ALL if truth(SAMPLES / name).get("operations")]
WITH_DELIVERIES = [name for name in ALL if truth(SAMPLES / name).get("deliveries")]


def _case(name: str) -> Case:
    folder = SAMPLES / name
    return analyzer.analyze([folder / file for file in truth(folder)["captures"]], secrets=folder / "secrets.toml")


def test_there_are_such_samples() -> None:
    assert len(WITH_OPERATIONS) >= 2
    assert len(WITH_DELIVERIES) >= 4


@pytest.mark.parametrize("name", WITH_OPERATIONS)
def test_operations(name: str) -> None:
    found = _case(name).listed("operations")
    wanted = truth(SAMPLES / name)["operations"]
    assert [(row["operation"], row["class"], row["method"]) for row in found] == [(one["operation"], one["class"], one.get("method")) for one in wanted]
    assert [json.loads(str(row["selectors"] or "{}")) for row in found] == [one["selectors"] for one in wanted]
    assert [row["instances_returned"] for row in found] == [one.get("instances", 0) if one["operation"] != "Create" else 1 for one in wanted]
    assert [row["fault_code"] for row in found] == [one.get("fault") for one in wanted]
    for row, one in zip(found, wanted, strict=True):
        if one["operation"] == "Enumerate":
            assert row["query"] == one["query"]
        if one.get("arguments"):
            assert one["arguments"].items() <= json.loads(str(row["arguments"])).items()
        if one.get("returned"):
            assert {key: str(value) for key, value in json.loads(str(row["returned"])).items()} == one["returned"]


@pytest.mark.parametrize("name", WITH_DELIVERIES)
def test_deliveries_and_events(name: str) -> None:
    case, told = _case(name), truth(SAMPLES / name)
    subscriptions = case.listed("subscriptions")
    assert [(row["subscription"], row["subscription_id"]) for row in subscriptions] == [(one["name"], one["id"]) for one in told["subscriptions"]]
    deliveries = case.listed("deliveries")
    assert [(row["kind"], row["events"]) for row in deliveries] == [(one["kind"], one["events"]) for one in told["deliveries"]]
    assert all(row["complete"] for row in deliveries)
    found = case.listed("events")
    keys = ("event_id", "record", "channel", "computer", "provider")
    assert [[row[key] for key in keys] for row in found] == [[one[key] for key in keys] for one in told["events"]]
    assert [json.loads(str(row["data"])) for row in found] == [one["data"] for one in told["events"]]


def test_what_each_sample_is_for() -> None:
    lost = _case("direct-event-forwarding-lost-ack")
    assert [row["acknowledged"] for row in lost.listed("deliveries") if row["kind"] == "events"] == ["not_seen", "yes", "yes"]
    assert [bool(row["again"]) for row in lost.listed("events")] == [False, False, True, True, False]
    gap = _case("direct-event-forwarding-gap")
    (issue,) = [row for row in gap.listed("issues") if str(row["code"]).startswith("events.")]
    assert issue["code"] == "events.gap"
    assert "Security of wks01.lab.example, records 5003 to 5009 (7 in all)" in str(issue["detail"])
    healthy = _case("direct-event-forwarding-healthy").listed("deliveries")
    assert {str(row["acknowledged"]) for row in healthy if row["kind"] != "subscriptions"} == {"yes"}
    assert [row["compressed"] for row in healthy if row["kind"] == "events"] == [False, True]
    through = _case("squid-event-forwarding-healthy")
    assert {(str(row["source_ip"]), str(row["collector_ip"])) for row in through.listed("deliveries")} == {("10.10.1.11", "10.20.2.20")}
