"""What the cells of the tables say, on evidence made by hand."""

from typing import Any

from msgspec.structs import replace

from analyzer.records.auth import Mechanism, Token
from analyzer.records.result import Result
from analyzer.records.transport import End, Side
from analyzer.tables.column import Value, through
from analyzer.tables.registry import table_named
from tests.build import evidence as build


def cells(result: Result, name: str) -> list[dict[str, Any]]:
    table = table_named(name)
    return [dict(zip(table.names, row, strict=True)) for row in table.values(result)]


def test_connection() -> None:
    [row] = cells(build.direct(), "connections")
    assert (row["connection_id"], row["capture"], row["role"], row["route_id"], row["exchanges"]) == ("c1", "leg-a.pcapng", "direct", None, 2)
    assert (row["client_bytes"], row["server_bytes"], row["missing_client_bytes"], row["missing_server_bytes"]) == (1000, 2000, 0, 40)
    assert (row["retransmitted_packets"], row["out_of_order_packets"]) == (2, 1)
    assert (row["close"], row["closed_by"]) == ("fin", "server")
    assert row["seconds_after_last_response"] == 0.900 - 0.026
    assert (row["user_agent"], row["server_product"], row["packets"]) == ("pywinrm", "Microsoft-HTTPAPI/2.0", "1..3,7")


def test_an_open_connection_has_no_close() -> None:
    owner = build.connection()
    [row] = cells(Result(build.evidence([build.capture()], [owner], [build.exchange(owner)]), (), {}), "connections")
    assert (row["close"], row["closed_by"], row["seconds_after_last_response"]) == ("open", None, None)


def test_a_close_before_the_response_is_negative_and_none_without_one() -> None:
    owner = build.connection(closings=(build.closing(End.RESET, Side.CLIENT, at_ms=12),))
    early = Result(build.evidence([build.capture()], [owner], [build.exchange(owner, at_ms=10)]), (), {})
    assert cells(early, "connections")[0]["seconds_after_last_response"] == -0.004
    never = Result(build.evidence([build.capture()], [owner], [build.exchange(owner, status=None)]), (), {})
    assert cells(never, "connections")[0]["seconds_after_last_response"] is None


def test_both_legs_are_on_the_route() -> None:
    rows = cells(build.proxied(), "connections")
    assert [(row["role"], row["route_id"], row["capture"]) for row in rows] == [("client_leg", "r1", "leg-a.pcapng"), ("upstream_leg", "r1", "leg-b.pcapng")]


def test_exchanges() -> None:
    offer, accepted = cells(build.direct(), "exchanges")
    assert (offer["auth_scheme"], offer["auth_step"], offer["mechanism"], offer["status"]) == ("Negotiate", "offer", "ntlm", 401)
    assert (accepted["auth_scheme"], accepted["auth_step"], accepted["via"]) == ("Negotiate", "accepted", "1.1 squid")
    assert offer["latency_s"] == 0.004
    assert (accepted["request_protection"], accepted["response_protection"]) == ("sealed", "sealed")
    assert (accepted["action"], accepted["action_absent"], accepted["quality"]) == (None, "sealed", "complete")
    assert (accepted["request_bytes"], accepted["request_body_bytes"], accepted["packets"]) == (100, 60, "20..22")


def test_an_exchange_without_response() -> None:
    row = cells(build.proxied(), "exchanges")[1]
    assert (row["status"], row["latency_s"], row["response_time"], row["response_bytes"]) == (None, None, None, None)
    assert row["quality"] == "response_missing"


def test_hops() -> None:
    [row] = cells(build.proxied(), "hops")
    assert (row["client_exchange_id"], row["upstream_exchange_id"], row["basis"]) == ("c1.x1", "c2.x1", "token,headers")
    assert (row["proxy_delay_s"], row["header_changes"]) == (0.002, "+Via,~Host")
    assert row["packets"] == "leg-a.pcapng:10..11;leg-b.pcapng:10..11"


def test_authentications() -> None:
    [row] = cells(build.direct(), "authentications")
    assert (row["authentication_id"], row["first_exchange_id"], row["last_exchange_id"]) == ("c1.a1", "c1.x1", "c1.x2")
    assert (row["user"], row["domain"], row["workstation"], row["duration_s"]) == ("alice", "LAB", "WS17", 0.25)
    assert (row["signing"], row["secret_tag"], row["etype"], row["packets"]) == (True, None, None, "10,20")


def test_equal_basic_credentials_have_equal_tags() -> None:
    result = build.direct()
    [talk] = result.evidence.conversations
    token = Token("Basic", Mechanism.BASIC, "credentials", 20, bytes.fromhex("deadbeef" + "00" * 28), user="alice")
    basic = replace(talk, mechanism=Mechanism.BASIC, steps=(replace(talk.steps[0], token=token),))
    result = replace(result, evidence=replace(result.evidence, conversations=(basic,)))
    assert cells(result, "authentications")[0]["secret_tag"] == "s1"


def test_messages_tell_why_they_could_not_be_read() -> None:
    rows = {row["message_id"]: row for row in cells(build.direct(), "messages")}
    assert (rows["c1.x1.q"]["opened"], rows["c1.x1.q"]["opened_absent"]) == (None, None)
    assert (rows["c1.x2.s"]["opened"], rows["c1.x2.s"]["opened_absent"], rows["c1.x2.s"]["direction"]) == (False, "sealed", "response")
    clear = {row["message_id"]: row for row in cells(build.proxied(), "messages")}
    assert (clear["c1.x1.q"]["opened"], clear["c1.x1.q"]["operation"]) == (True, "Create")
    assert clear["c2.x1.s"]["opened"] is True  # inside TLS that was opened


def test_findings_are_ordered_by_gravity_then_time() -> None:
    rows = cells(build.proxied(), "findings")
    assert [(row["finding_id"], row["rule"], row["severity"]) for row in rows] == [
        ("f1", "auth.x", "critical"),
        ("f2", "enc.x", "critical"),
        ("f3", "proxy.x", "info"),
    ]
    assert (rows[0]["packets"], rows[0]["capture"], rows[0]["filter"]) == ("7", "leg-b.pcapng", "frame.number in {7}")
    assert (rows[1]["packets"], rows[1]["capture"]) == ("leg-a.pcapng:10..11;leg-b.pcapng:5", "leg-a.pcapng")
    assert (rows[2]["packets"], rows[2]["filter"], rows[2]["capture"]) == (None, None, None)


def test_issues() -> None:
    [row] = cells(build.direct(), "issues")
    assert (row["code"], row["level"], row["capture"], row["packet"], row["repeats"]) == ("tcp.gap", "warning", "leg-a.pcapng", 12, 3)


def test_timeline_is_in_order_of_time() -> None:
    rows = cells(build.direct(), "timeline")
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert {row["table"] for row in rows} == {"exchanges", "authentications", "findings"}


def test_each_text_is_filtered_once_and_only_where_it_is_asked() -> None:
    seen: list[str] = []

    def starred(text: str) -> str:
        seen.append(text)
        return text.replace("secret", "***")

    rows: list[tuple[Value, ...]] = [("secret", "secret", 1), ("plain", "x", None), ("secret", None, 2)]
    assert through({0: starred}, rows) == [("***", "secret", 1), ("plain", "x", None), ("***", None, 2)]
    assert sorted(seen) == ["plain", "secret"]
    assert through({1: str.upper, 2: starred}, [("a", "b", 3)]) == [("a", "B", 3)]
    assert through({0: str}, rows) is rows, "nothing changed"
