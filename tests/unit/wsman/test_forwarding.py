"""Event forwarding out of envelopes and whole captures: subscriptions, deliveries, acknowledgements, events, gaps in record numbers."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.records.forwarding import Acknowledged, Bookmark, Forwarding, Kind
from analyzer.records.sealing import Message, Protection
from analyzer.settings import Limits
from analyzer.wsman.forwarding import forward_half
from analyzer.wsman.windows_event import event_in
from tests.build.forwarding import (
    EVENTING,
    ID,
    LOG,
    MACHINE,
    MANAGER_PATH,
    PATH,
    SOURCE,
    WSMAN,
    ack,
    asking,
    delivery,
    envelope,
    event,
    listing,
    source_talk,
    subscribe,
    tell,
)
from tests.build.talk_http import SEALED, SOAP, Content, post, reply
from tests.build.talk_tokens import basic
from tests.build.talks import Wire
from tests.oracle.test_compression import _sldc
from tests.rules.judging import Judged, judge, judge_files

FAULT = (
    "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Detail>"
    '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858804"/></s:Detail></s:Fault>'
)

KNOWN = [("Events", True), ("Event", True), ("Heartbeat", True), ("Subscribe", True), ("PullResponse", False), ("EnumerateResponse", False), ("Ack", False)]


def forwarded(lan: Wire) -> Forwarding:
    return judge(lan).evidence.forwarding


def batches(*records: Sequence[int], query: str = '<Select Path="Security">*</Select>', marks: dict[str, int] | None = None) -> Judged:
    """A source that gets a subscription, then delivers batches with these records."""
    lan = Wire()
    talk = source_talk(lan)
    if query:
        tell(talk, asking(), listing(subscribe(query, marks=marks)), path=MANAGER_PATH)
    for number, own in enumerate(records, 1):
        tell(talk, delivery([event(record) for record in own], number=number, marks={"Security": own[-1]}), ack(number))
    return judge(lan)


def test_a_source_from_its_subscription_to_its_events() -> None:
    lan = Wire()
    talk = source_talk(lan)
    tell(talk, asking(), listing(subscribe(marks={"Security": 9})), path=MANAGER_PATH)
    beat, _ = tell(talk, delivery([], kind="Heartbeat"), ack())
    values = {"NewProcessName": "C:\\Windows\\System32\\cmd.exe", "CommandLine": "cmd /c whoami &amp;&amp; dir"}
    sent, answered = tell(talk, delivery([event(10, data=values, message="A process."), event(11, 4624)], marks={"Security": 11}, number=2), ack(2))
    found = forwarded(lan)
    [subscription] = found.subscriptions
    assert (subscription.about.id, subscription.about.name, subscription.about.mode) == (ID, "Base", "Events")
    assert (subscription.about.heartbeat_s, subscription.about.latency_s, subscription.about.content, subscription.about.compression) == (
        3600.0,
        30.0,
        "RenderedText",
        "SLDC",
    )
    assert subscription.about.selects == (("Security", "*"),)
    assert subscription.about.bookmarks == (Bookmark("Security", 9),)
    assert (subscription.source, subscription.machine, subscription.by_collector) == (SOURCE, MACHINE, False)
    assert [(one.kind, one.events, one.acknowledged, one.name) for one in found.deliveries] == [
        (Kind.SUBSCRIPTIONS, 0, Acknowledged.NOT_ASKED, None),
        (Kind.HEARTBEAT, 0, Acknowledged.YES, "Base"),
        (Kind.EVENTS, 2, Acknowledged.YES, "Base"),
    ]
    batch = found.deliveries[-1]
    assert (batch.packets[0] & 0xFFFF, batch.answer_packets[0] & 0xFFFF) == (sent, answered)
    assert found.deliveries[1].packets[0] & 0xFFFF == beat
    assert (batch.path, batch.machine, batch.bookmarks) == (PATH, MACHINE, (Bookmark("Security", 11),))
    first, second = found.events
    assert (first.id, first.delivery, first.packets) == (f"{batch.id}.e1", batch.id, batch.packets)
    told = first.event
    assert (told.computer, told.channel, told.event_id, told.record, told.provider) == (MACHINE, "Security", 4688, 10, "Microsoft-Windows-Security-Auditing")
    assert (told.level, told.user_sid, told.process_id, told.thread_id, told.time_ns) == (0, "S-1-5-18", 4, 288, 1_767_323_045_123_456_700)
    assert json.loads(told.data) == {"NewProcessName": "C:\\Windows\\System32\\cmd.exe", "CommandLine": "cmd /c whoami && dir"}
    assert (told.message, told.level_word, told.task_word, told.culture) == ("A process.", "Information", "T", "en-US")
    assert (first.skipped, second.skipped) == (0, 0), "the bookmark says that 9 was the last"
    assert not judge(lan).evidence.operations, "what is of event forwarding is no operation on a class"


def test_events_as_elements_and_one_in_a_message() -> None:
    lan = Wire()
    talk = source_talk(lan)
    tell(talk, delivery([event(1), event(2)], cdata=False), ack())
    tell(talk, delivery([], kind="Event", body=event(3), ask=False), None)
    found = forwarded(lan)
    assert [one.event.record for one in found.events] == [1, 2, 3]
    assert found.deliveries[1].acknowledged is Acknowledged.NOT_ASKED


def test_indications_of_cim_classes() -> None:
    lan = Wire()
    talk = source_talk(lan)
    alert = '<c:CIM_AlertIndication xmlns:c="x"><c:Description>fan failed</c:Description><c:PerceivedSeverity>6</c:PerceivedSeverity></c:CIM_AlertIndication>'
    tell(talk, delivery([], kind="Event", body=alert, ask=False), None)
    tell(talk, delivery([alert], cdata=False, number=2), ack(2))
    found = forwarded(lan).events
    assert [(one.event.provider, one.event.event_id, one.event.whole) for one in found] == [("CIM_AlertIndication", None, True)] * 2
    assert json.loads(found[0].event.data) == {"xml_name": "CIM_AlertIndication", "Description": "fan failed", "PerceivedSeverity": "6"}


def test_values_of_every_form() -> None:
    own = (
        "<UserData><LogFileCleared xmlns='http://manifests.microsoft.com/win/2004/08/windows/eventlog'><SubjectUserName>alice</SubjectUserName>"
        "<Inner><A>1</A><A>2</A></Inner></LogFileCleared></UserData>"
    )
    found = event_in(event(1, 1102, inside=own))
    assert found is not None
    assert json.loads(found.data) == {"xml_name": "LogFileCleared", "SubjectUserName": "alice", "Inner": {"A": ["1", "2"]}}
    unnamed = event_in(event(1, 400, inside="<EventData><Data>Available</Data><Data>None</Data><Binary>00FF</Binary></EventData>"))
    assert unnamed is not None
    assert json.loads(unnamed.data) == {"param1": "Available", "param2": "None", "Binary": "00FF"}
    assert event_in("no event") is None
    cut = event_in(event(5)[:-40])
    assert cut is not None
    assert (cut.record, cut.whole) == (5, False)


def test_a_document_type_inside_of_an_event_is_not_read() -> None:
    bomb = '<!DOCTYPE Event [<!ENTITY a "aaaa">]><Event><System><EventID>1</EventID><Computer>&a;</Computer></System></Event>'
    lan = Wire()
    tell(source_talk(lan), delivery([bomb, event(2)]), ack())
    assert [(one.event.record, one.event.whole) for one in forwarded(lan).events] == [(None, False), (2, True)]


def test_bodies_in_sldc() -> None:
    lan = Wire()
    talk = source_talk(lan)
    packed = _sldc(("\ufeff" + delivery([event(7)])).encode("utf-16-le"))
    talk.send(post(PATH, basic("wks01$"), ("Content-Encoding", "SLDC"), content=Content(SOAP.replace("8", "16"), packed)))
    talk.answer(reply(200, content=Content(SOAP, ack().encode())))
    found = forwarded(lan)
    assert [one.event.record for one in found.events] == [7]
    assert found.deliveries[0].compressed


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (ack(), 200, Acknowledged.YES),
        (envelope(f"{WSMAN}fault", FAULT), 500, Acknowledged.REFUSED),
        ("", 503, Acknowledged.REFUSED),
        ("", 200, Acknowledged.OTHER),
        (None, 200, Acknowledged.NOT_SEEN),
    ],
)
def test_what_came_back(answer: str | None, status: int, told: Acknowledged) -> None:
    lan = Wire()
    tell(source_talk(lan), delivery([event(1)]), answer, status=status)
    [one] = forwarded(lan).deliveries
    assert one.acknowledged is told
    assert one.fault_code == ("2150858804" if status == 500 else None)


def test_a_batch_that_is_sent_again() -> None:
    lan = Wire()
    talk = source_talk(lan)
    tell(talk, delivery([event(1), event(2)]), None)
    talk.close_by_server(after=0.01)
    tell(source_talk(lan, 50002), delivery([event(1), event(2)]), ack())
    found = forwarded(lan)
    first, second = found.deliveries
    assert (first.acknowledged, first.again, second.acknowledged, second.again) == (Acknowledged.NOT_SEEN, None, Acknowledged.YES, first.id)
    assert [one.again for one in found.events] == [None, None, f"{first.id}.e1", f"{first.id}.e2"]


def issues(judged: Judged) -> list[tuple[str, str]]:
    return [(one.code, one.detail) for one in judged.evidence.issues if one.code.startswith("events.")]


def test_gaps_where_the_subscription_selects_all_of_the_log() -> None:
    told = batches([10, 11], [15, 16], [18])
    assert [one.skipped for one in told.evidence.forwarding.events] == [None, 0, 3, 0, 1]
    assert issues(told) == [("events.gap", f"Security of {MACHINE}, records 12 to 14, 17 (4 in all)")]
    assert issues(batches([10, 11], [12])) == []
    assert issues(batches([10], marks={"Security": 7})) == [("events.gap", f"Security of {MACHINE}, records 8 to 9 (2 in all)")], "since the bookmark"


@pytest.mark.parametrize(("lost", "in_hole"), [(3, "3 (1 in all)"), (5, "5 (1 in all)"), (1, "1 (1 in all)"), (None, None)])
def test_events_in_lost_packets_are_no_gap_of_the_source(lost: int | None, in_hole: str | None) -> None:
    """Also where they are the first, or the last, of their delivery; a number that no delivery has stays a gap."""
    lan = Wire()
    talk = source_talk(lan)
    tell(talk, asking(), listing(subscribe(marks={"Security": 0})), path=MANAGER_PATH)
    raw = post(PATH, basic("wks01$"), content=Content(SOAP, delivery([event(record) for record in range(1, 6)], number=1).encode())).wire()
    at = raw.index(b"<EventRecordID>%d<" % lost) if lost else 100
    for begin, end in ((0, at), (at, at + 20), (at + 20, len(raw))):
        talk.send(raw[begin:end], captured=not lost or begin != at)
    talk.answer(reply(200, content=Content(SOAP, ack().encode())))
    for number, record in enumerate((6, 9), 2):
        tell(talk, delivery([event(record)], number=number), ack(number))
    judged = judge(lan)
    gap = ("events.gap", f"Security of {MACHINE}, records 7 to 8 (2 in all)")
    assert issues(judged) == [gap, *([("events.cut", f"Security of {MACHINE}, records {in_hole}")] if in_hole else [])]
    behind = [one for one in judged.evidence.forwarding.events if lost and one.event.record == lost + 1]
    assert len(behind) == bool(lost)
    assert all(one.skipped is None for one in behind)


def test_gaps_where_it_may_not_select_them() -> None:
    some = '<Select Path="Security">*[System[(EventID=4624)]]</Select>'
    assert [code for code, _ in issues(batches([10], [12], query=some))] == ["events.skipped"]
    assert [code for code, _ in issues(batches([10], [12], query=""))] == ["events.skipped"], "its query is not in the capture"
    left_out = '<Select Path="Security">*</Select><Suppress Path="Security">*[System[(EventID=4688)]]</Suppress>'
    assert [code for code, _ in issues(batches([10], [12], query=left_out))] == ["events.skipped"]
    assert issues(batches([10], [14], [12, 13], [11], query="")) == [], "delivered in another order"
    assert issues(batches([10], [1], [2], query="")) == [], "the log was cleared"


def test_a_collector_that_pulls() -> None:
    lan = Wire()
    talk = lan.connect("10.10.1.21", 50001, SOURCE, 5985)
    answer = (
        f"<e:SubscribeResponse><e:SubscriptionManager><a:Address>http://x</a:Address><a:ReferenceParameters><e:Identifier>{ID}</e:Identifier>"
        "</a:ReferenceParameters></e:SubscriptionManager><n:EnumerationContext>uuid:5</n:EnumerationContext></e:SubscribeResponse>"
    )
    tell(talk, subscribe(mode="Pull"), envelope(f"{EVENTING}SubscribeResponse", answer), path="/wsman")
    enumeration = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"
    asked = envelope(f"{enumeration}Pull", "<n:Pull><n:EnumerationContext>uuid:5</n:EnumerationContext></n:Pull>", resource=LOG)
    items = "".join(f'<w:Event Action="x">{event(record)}</w:Event>' for record in (1, 2))
    tell(talk, asked, envelope(f"{enumeration}PullResponse", f"<n:PullResponse><n:Items>{items}</n:Items></n:PullResponse>"), path="/wsman")
    found = forwarded(lan)
    assert [(one.kind, one.source, one.events) for one in found.deliveries] == [(Kind.SUBSCRIBE, SOURCE, 0), (Kind.PULL, SOURCE, 2)]
    assert found.subscriptions[0].by_collector
    assert [one.event.record for one in found.events] == [1, 2]


def test_the_end_of_a_subscription() -> None:
    lan = Wire()
    body = f"<e:SubscriptionEnd><e:Status>{EVENTING}SourceCancelling</e:Status></e:SubscriptionEnd>"
    tell(source_talk(lan), delivery([], kind="SubscriptionEnd", body=body), ack())
    [one] = forwarded(lan).deliveries
    assert (one.kind, one.reason) == (Kind.ENDED, "SourceCancelling")


def test_what_cannot_be_read_is_counted() -> None:
    lan = Wire()
    talk = source_talk(lan)
    talk.send(post(PATH, basic("wks01$"), content=Content(SEALED, b"--Encrypted Boundary\r\nrubbish")))
    talk.answer(reply(200))
    [one] = forwarded(lan).deliveries
    assert (one.kind, one.path, one.acknowledged) == (Kind.UNREAD, PATH, Acknowledged.UNREAD)


def test_a_batch_of_which_packets_are_missing() -> None:
    lan = Wire()
    talk = source_talk(lan)
    raw = post(PATH, basic("wks01$"), content=Content(SOAP, delivery([event(record) for record in range(1, 8)]).encode())).wire()
    whole = raw.index(b"<EventRecordID>3<")
    for begin, end in ((0, whole), (whole, whole + 400), (whole + 400, len(raw))):
        talk.send(raw[begin:end], captured=begin != whole)
    talk.answer(reply(200, content=Content(SOAP, ack().encode())))
    found = forwarded(lan)
    records = [(one.event.record, one.event.whole) for one in found.events]
    assert records == [(1, True), (2, True), (None, False), (5, True), (6, True), (7, True)], "nothing of the fourth is told as the third's"
    assert found.events[2].event.time_ns is not None, "what stands before the hole"
    assert found.deliveries[0].cut


def test_a_damaged_batch_without_a_readable_event() -> None:
    lan = Wire()
    body = delivery([event(1)]).replace("<Event", "<Evxnt").replace("</s:Body>", "</s:Bo")
    tell(source_talk(lan), body, ack())
    found = forwarded(lan)
    assert [one.event for one in found.events] == []
    assert found.deliveries[0].cut


def test_so_many_events_of_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.wsman.forwarding._MOST", 3)
    lan = Wire()
    tell(source_talk(lan), delivery([event(record) for record in range(1, 6)]), ack())
    judged = judge(lan)
    assert len(judged.evidence.forwarding.events) == 3
    assert judged.evidence.forwarding.deliveries[0].cut
    assert [one.detail for one in judged.evidence.issues if one.code == "wsman.limit"] == ["events=3: later elements were not read"]


def test_a_limit_is_told() -> None:
    lan = Wire()
    tell(source_talk(lan), delivery([event(record) for record in range(1, 5)]), ack())
    judged = judge(lan, limits=Limits(forwarded_events=2))
    assert len(judged.evidence.forwarding.events) == 2
    assert judged.evidence.forwarding.deliveries[0].events == 4
    assert [one.detail for one in judged.evidence.issues if one.code == "wsman.limit"] == ["forwarded_events=2: 2 later events were not kept"]


WHOLE = delivery([event(1, data={"A": "b"}, message="m"), event(2), event(3, inside="<UserData><X><Y>1</Y></X></UserData>")], marks={"Security": 3})
PIECES = st.sampled_from(
    ["<", ">", "]]>", "<![CDATA[", "<Event ", "</Event>", "\U0010fffd", "\U0010fffc", "&", "&#0;", '"', "<w:Event>", "<!DOCTYPE a>", "\x00"]
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 400), st.one_of(PIECES, st.text(max_size=6))), max_size=4), st.sampled_from(KNOWN))
def test_any_text_is_read(changes: list[tuple[int, int, str]], known: tuple[str, bool]) -> None:
    """Pieces taken out and put in anywhere: nothing raises, and each event that is whole is one that was sent."""
    text = WHOLE
    for at, size, put in changes:
        text = text[:at] + put + text[at + size :]
    operation, from_client = known
    message = Message("c1.x1.q", "c1.x1", from_client, Protection.CLEAR, len(text), None, operation=operation)
    half = forward_half(message, text, 0, (1,))
    for one in half.events if half is not None else ():
        json.loads(one.data)
        assert one.record is None or one.record >= 0


def test_what_is_whole_of_a_damaged_batch_is_what_was_sent() -> None:
    """A hole of any size at any place: no event is made of two."""
    sent = {(one, json.dumps({"A": "b"} if one == 1 else {} if one == 2 else {"xml_name": "X", "Y": "1"})) for one in (1, 2, 3)}
    for at in range(WHOLE.index("<w:Events>"), len(WHOLE), 37):
        for size in (1, 60, 333, 900):
            text = WHOLE[:at] + "\U0010fffd" * min(size, len(WHOLE) - at) + WHOLE[at + size :]
            half = forward_half(Message("q", "x", True, Protection.CLEAR, 1, None, operation="Events"), text, 0, (1,))  # noqa: FBT003  the record's field
            assert half is not None
            assert half.cut
            assert {(one.record, json.dumps(json.loads(one.data))) for one in half.events if one.whole} <= sent


def test_gaps_of_batches_in_another_order() -> None:
    told = batches([10], [20], [15], [21])
    assert issues(told) == [("events.gap", f"Security of {MACHINE}, records 11 to 14, 16 to 19 (8 in all)")]
    assert [one.skipped for one in told.evidence.forwarding.events] == [None, 4, 4, 0]
    assert issues(batches([20], [15], [21], marks={"Security": 9})) == [("events.gap", f"Security of {MACHINE}, records 10 to 14, 16 to 19 (9 in all)")]
    assert issues(batches([14], [10, 11, 12, 13], marks={"Security": 9})) == []


def test_a_log_that_begins_anew_while_a_batch_is_late() -> None:
    lan = Wire()
    talk = source_talk(lan)
    tell(talk, asking(), listing(subscribe()), path=MANAGER_PATH)
    for number, (record, second) in enumerate([(100, 1), (1, 5), (101, 2), (2, 6), (100, 7)], 1):
        tell(talk, delivery([event(record, time=f"2026-01-02T03:04:0{second}Z")], number=number), ack(number))
    assert issues(judge(lan)) == [("events.gap", f"Security of {MACHINE}, records 3 to 99 (97 in all)")], "of the second time alone"
    assert judge(lan).evidence.forwarding.events[2].skipped == 0


def test_each_source_has_its_own_bookmark() -> None:
    lan = Wire()
    for host, mark in (("10.10.1.11", 9), ("10.10.1.12", 99)):
        talk = lan.connect(host, 50001, "10.10.1.21", 5985)
        tell(talk, asking(), listing(subscribe(marks={"Security": mark})), path=MANAGER_PATH)
        tell(talk, delivery([event(mark + 1, computer=host)]), ack())
    judged = judge(lan)
    assert [one.skipped for one in judged.evidence.forwarding.events] == [0, 0]
    lan = Wire()
    for host, mark in (("10.10.1.12", 999), ("10.10.1.11", 9)):
        tell(lan.connect(host, 50001, "10.10.1.21", 5985), asking(), listing(subscribe(marks={"Security": mark})), path=MANAGER_PATH)
    tell(lan.connect("10.10.1.12", 50002, "10.10.1.21", 5985), delivery([event(1000)]), ack())
    assert issues(judge(lan)) == []


def test_no_gap_after_events_that_were_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.wsman.forwarding._MOST", 3)
    told = batches([1, 2, 3, 4, 5], [6], [8])
    assert issues(told) == [("events.gap", f"Security of {MACHINE}, records 7 (1 in all)")]
    assert [one.skipped for one in told.evidence.forwarding.events] == [None, 0, 0, None, 1]


def two_points(folder: Path, *batches: tuple[int, int]) -> Forwarding:
    """Three batches of two events on one connection; of each capture point the packets from one number to another."""
    lan = Wire()
    talk = source_talk(lan)
    for number in (1, 2, 3):
        tell(talk, delivery([event(2 * number), event(2 * number + 1)], number=number), ack(number))
    talk.close_by_client()
    return judge_files([lan.capture(folder / f"{place}.pcap", first=first, last=last) for place, (first, last) in enumerate(batches)]).evidence.forwarding


def test_what_two_capture_points_saw_is_told_once(tmp_path: Path) -> None:
    found = two_points(tmp_path, (1, 999), (1, 999))
    assert [(one.events, one.acknowledged, one.again) for one in found.deliveries] == [(2, Acknowledged.YES, None)] * 3
    assert [one.event.record for one in found.events] == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("last", range(5, 25))
def test_what_only_the_other_capture_point_saw_is_told(tmp_path: Path, last: int, turned: bool) -> None:  # noqa: FBT001  a parameter of the test
    points = [(1, last), (1, 999)]
    found = two_points(tmp_path, *(reversed(points) if turned else points))
    assert [(one.events, one.acknowledged, one.again) for one in found.deliveries] == [(2, Acknowledged.YES, None)] * 3
    assert [(one.event.record, one.again) for one in found.events] == [(record, None) for record in range(2, 8)]
