"""What is remembered of an envelope's shape is what each envelope of that shape says by itself; and both forms of what cuts the values out do it alike.

Values are chosen to deceive: references, ends of sections, declarations of namespaces, quotes, compressed streams, identifiers that differ by their case.
"""

import base64
import random
from collections.abc import Sequence

import pytest

from analyzer.formats import forms
from analyzer.formats.content import Room
from analyzer.formats.holes import Holed
from analyzer.records.http import Body, Exchange, Framing, Request, Response
from analyzer.records.quality import Absent, Why
from analyzer.records.sealing import Message, Protection
from analyzer.settings import Limits
from analyzer.wsman import envelope, ordinary, remembered, shapes, structure
from analyzer.wsman.remembered import Shapes

from .test_envelopes_twice import DECLARED, SHELL, SNIPPETS

ROUNDS, PER_ROUND = 160, 12
LIMITS = Limits()
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
COMMANDS = (
    *("dir", "powershell -enc QQBC", 'cmd /c "a > b"', "it's", "[x]", "tab\there", "two\nlines", "a &amp; b", "a&b", "", " ", " padded "),
    *("]]>", "xmlns:q='u'", ' xmlns="http://schemas.dmtf.org/wbem/wsman"', "schemas.dmtf.org/wbem/wsman", "\u00fcber", "\x01", "x" * 2100, "<b/>", "<!-- -->"),
    *("11111111-2222-3333-4444-555555555555", "qXzV01VzXq", "aBcDeF00-aBcD-eFaB-cDeF-aBcDeFaBcDeF", "<rsp:Command>dir</rsp:Command>"),
)
PACKED = b"\x4f\x00\x0b\x00" + bytes(12) + b"\x4f\x00\x0b\x00" + bytes(12) + b"\x4f\x00\x0f\x00" + bytes(16) + b"\x00\x00\x4f\x00\x0b\x00" + bytes(12)
STREAMS = (
    *(base64.b64encode(data).decode() for data in (b"a", b"line of text\r\n", bytes(range(200)), PACKED, PACKED[:-1])),
    *("QQ", "====", "Q Q==", "QQ==\n", "a>b", "a&b", "", "xmlns", "cVh6VjAxVnpYcQ=="),
)
BODIES = {
    "Command": '<rsp:CommandLine CommandId="{c}"><rsp:Command>{t}</rsp:Command><rsp:Arguments>{u}</rsp:Arguments></rsp:CommandLine>',
    "CommandResponse": "<rsp:CommandResponse><rsp:CommandId>{c}</rsp:CommandId></rsp:CommandResponse>",
    "Receive": '<rsp:Receive><rsp:DesiredStream CommandId="{c}">stdout stderr</rsp:DesiredStream></rsp:Receive>',
    "ReceiveResponse": (
        '<rsp:ReceiveResponse><rsp:Stream Name="stdout" CommandId="{c}">{s}</rsp:Stream><rsp:Stream Name="stderr" CommandId=\'{c}\' End="true"/>'
        '<rsp:Stream Name="stdout" CommandId="{e}">{r}</rsp:Stream><rsp:CommandState CommandId="{c}" State="' + SHELL + '/CommandState/Done">'
        "<rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>"
    ),
    "Send": '<rsp:Send><rsp:Stream Name="stdin" CommandId="{c}">{s}</rsp:Stream></rsp:Send>',
    "Signal": '<rsp:Signal CommandId="{c}"><rsp:Code>' + SHELL + "/signal/terminate</rsp:Code></rsp:Signal>",
    "Create": '<rsp:Shell ShellId="{e}"><rsp:InputStreams>stdin</rsp:InputStreams><rsp:Owner>{d}</rsp:Owner><creationXml>{s}</creationXml></rsp:Shell>',
    "CreateResponse": "<rsp:Shell><rsp:ShellId>{e}</rsp:ShellId><rsp:Name>about {d} and {c}</rsp:Name></rsp:Shell>",
    "Delete": "",
    "DeleteResponse": "<rsp:Command>{t}</rsp:Command>",
    "Fault": (
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text>the shell {e} is gone</s:Text></s:Reason><s:Detail>"
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858793" Machine="m"><f:Message>{t}</f:Message></f:WSManFault>'
        "</s:Detail></s:Fault>"
    ),
    "Enumerate": '<n:Enumerate xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"/>',
}


def _frame(dice: random.Random) -> tuple[str, str, bool]:
    """An envelope with names of values in braces; its operation; whether a client sends it."""
    name = dice.choice(list(BODIES))
    base = TRANSFER if name.startswith(("Create", "Delete")) else SHELL
    parts = [
        f"<a:Action s:mustUnderstand='true'>{base}/{name}</a:Action>" if name != "Fault" else "",
        "<a:To>{a}</a:To>",
        f"<w:ResourceURI>{SHELL}/cmd</w:ResourceURI>",
        "<a:MessageID>uuid:{m}</a:MessageID>",
        "<a:RelatesTo>uuid:{d}</a:RelatesTo>",
        "<p:SessionId>uuid:{e}</p:SessionId>",
        '<w:SelectorSet><w:Selector Name="ShellId">{e}</w:Selector></w:SelectorSet>',
        '<w:SelectorSet><w:Selector Name="ShellId">{d}</w:Selector></w:SelectorSet>' if dice.random() < 0.1 else "",
        "<w:OperationTimeout>PT60.000S</w:OperationTimeout>",
        '<w:OptionSet><w:Option Name="WINRS_NOPROFILE">FALSE</w:Option></w:OptionSet>',
        "<w:CompressionType>xpress</w:CompressionType>" if dice.random() < 0.05 else "",
    ]
    head = "".join(part for part in parts if dice.random() < 0.8)
    text = f'<s:Envelope {DECLARED} xmlns:rsp="{SHELL}"><s:Header>{head}</s:Header><s:Body>{BODIES[name]}</s:Body></s:Envelope>'
    for _ in range(dice.choice((0, 0, 1, 2))):
        at = text.find(dice.choice("<>\"' /:="), dice.randrange(len(text)))
        what = dice.randrange(3)
        if what == 0:
            text = text[:at] + dice.choice(SNIPPETS) + text[at:]
        elif what == 1:
            text = text[:at] + text[at + dice.choice((1, 2, 9, 60)) :]
        else:
            begin = dice.randrange(len(text))
            text = text[:at] + text[begin : begin + dice.choice((3, 30, 200))] + text[at:]
    return text, name, not name.endswith(("Response", "Fault"))


def _filled(dice: random.Random, text: str) -> bytes:
    """The envelope with values: most are what clients and servers write, some are not."""
    ids = [f"{dice.getrandbits(32):08X}-0aBc-{dice.getrandbits(16):04x}-89AB-{dice.getrandbits(48):012X}" for _ in range(4)]
    if dice.random() < 0.2:
        ids[1] = dice.choice((ids[0], ids[0].lower(), "uuid:9", ids[1][:-1]))
    odd = dice.random() < 0.4
    values = {
        **dict(zip(["{m}", "{c}", "{d}", "{e}"], ids, strict=True)),
        "{t}": dice.choice(COMMANDS) if odd else f"command {dice.randrange(99)}",
        "{u}": dice.choice(COMMANDS) if odd else f"argument {dice.randrange(99)}",
        "{s}": dice.choice(STREAMS) if odd else base64.b64encode(dice.randbytes(40)).decode(),
        "{r}": dice.choice(STREAMS) if odd else base64.b64encode(dice.randbytes(9)).decode(),
        "{a}": dice.choice((*COMMANDS, "y" * 2100)) if odd else f"http://srv{dice.randrange(99)}:5985/wsman",
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text.encode("utf-8", "replace")


def _exchange(data: bytes, status: int, *, asks: bool) -> tuple[Exchange, Request | Response]:
    body = Body(Framing.LENGTH, len(data), len(data), (), 0, True, bytes(32), data[:64])  # noqa: FBT003
    request = Request("c1.x1.q", "POST", "/wsman", "HTTP/1.1", (), body, 0, len(data), 5, 6, (7, 8))
    response = Response("c1.x1.s", status, "OK", "HTTP/1.1", (), body, 0, len(data), 9, 10, (11,))
    missing = Absent(Why.NOT_CAPTURED)
    exchange = Exchange("c1.x1", "c1", 0, 1, request if asks or status == 401 else missing, response)
    return exchange, request if asks else response


def _compared(number: int, table: Shapes) -> None:
    dice = random.Random(number)
    text, _, asks = _frame(dice)
    status = dice.choice((200, 200, 200, 401, 500))
    for _ in range(PER_ROUND):
        data = _filled(dice, text)
        exchange, half = _exchange(data, status, asks=asks)
        place = half.first_ns, half.packets
        message = Message(half.id, exchange.id, asks, Protection.CLEAR, len(data), "application/soap+xml", text_digest=dice.randbytes(32))

        def read(raw: bytes, message: Message = message, half: Request | Response = half, exchange: Exchange = exchange) -> remembered.Described:
            return envelope._read(message, half, exchange, Holed(raw), len(raw), LIMITS, Room(1 << 20))

        assert table.described(message, data, place, status, LIMITS, read) == read(data), f"case {number}: {data!r}"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are used as where they are compiled."""
    monkeypatch.setattr(remembered, "CUT", shapes.cut)
    monkeypatch.setattr(structure, "_ORDINARY", ordinary.read)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("chunk", range(4))
def test_a_remembered_shape_says_what_each_envelope_says(chunk: int) -> None:
    table = Shapes()
    for number in range(chunk, ROUNDS, 4):
        _compared(number, table)
    kept = [known for known in table.known.values() if isinstance(known, remembered.Shape)]
    assert len(kept) > ROUNDS // 16


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("name", [name for name in BODIES if name != "Enumerate"])
def test_what_clients_and_servers_write_is_remembered(name: str) -> None:
    """Of an enumeration it is not: its answers are read one by one."""
    dice = random.Random(1)
    table = Shapes()
    base = TRANSFER if name.startswith(("Create", "Delete")) else SHELL
    action = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault" if name == "Fault" else f"{base}/{name}"
    body = BODIES[name].replace("{t}", "") if name in ("DeleteResponse", "Fault") else BODIES[name]
    head = f"<a:To>{{a}}</a:To><a:Action>{action}</a:Action><a:MessageID>uuid:{{m}}</a:MessageID>"
    text = f'<s:Envelope {DECLARED} xmlns:rsp="{SHELL}"><s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>'
    asks = not name.endswith(("Response", "Fault"))
    asked: list[bytes] = []
    for _ in range(5):
        plain = text
        for key, value in {"{a}": f"http://{dice.random()}/", "{t}": f"dir {dice.random()}", "{u}": "x", "{s}": "QUJD", "{r}": "QUI="}.items():
            plain = plain.replace(key, value)
        for key in ("{m}", "{c}", "{d}", "{e}"):
            plain = plain.replace(key, f"{dice.getrandbits(32):08X}-0000-0000-0000-{dice.getrandbits(48):012X}")
        data = plain.encode()
        exchange, half = _exchange(data, 200, asks=asks)
        message = Message(half.id, exchange.id, asks, Protection.CLEAR, len(data), None)

        def read(raw: bytes, message: Message = message, half: Request | Response = half, exchange: Exchange = exchange) -> remembered.Described:
            asked.append(raw)
            return envelope._read(message, half, exchange, Holed(raw), len(raw), LIMITS, Room(1 << 20))

        told = table.described(message, data, (half.first_ns, half.packets), 200, LIMITS, read)
        assert told == envelope._read(message, half, exchange, Holed(data), len(data), LIMITS, Room(1 << 20))
        assert told.message.operation == name
    assert len(asked) == 3, "the first, the second, and once with marks"


@pytest.mark.usefixtures("compiled")
def test_a_stream_that_is_no_xml_is_told_of_in_a_remembered_shape() -> None:
    """A prefix that is declared again later makes the envelope one for an XML parser, which complains of what the shape before had not."""
    table = Shapes()
    again = '<x:Foo xmlns:x="urn:x" xmlns:rsp="urn:z"/>'
    head = f"<a:Action>{SHELL}/ReceiveResponse</a:Action>{again}"
    told = []
    for value in ("QUFB", "QUFC", "QUFD\r\n", "QU\x01FB", "QU&bogus;FB", "&", "\x0b"):
        body = f'<rsp:ReceiveResponse><rsp:Stream Name="stdout" CommandId="ab">{value}</rsp:Stream></rsp:ReceiveResponse>'
        text = f'<s:Envelope {DECLARED} xmlns:rsp="{SHELL}"><s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>'
        data = text.encode()
        exchange, half = _exchange(data, 200, asks=False)
        message = Message(half.id, exchange.id, False, Protection.CLEAR, len(data), None)  # noqa: FBT003

        def read(raw: bytes, message: Message = message, half: Request | Response = half, exchange: Exchange = exchange) -> remembered.Described:
            return envelope._read(message, half, exchange, Holed(raw), len(raw), LIMITS, Room(1 << 20))

        told.append(table.described(message, data, (half.first_ns, half.packets), 200, LIMITS, read))
        assert told[-1] == read(data), value
    assert [[issue.code for issue in one.issues] for one in told] == [[]] * 3 + [["wsman.malformed"]] * 4
    assert any(isinstance(known, remembered.Shape) for known in table.known.values())


@pytest.mark.skipif(not forms.compiled(shapes), reason="nothing is compiled here: there is one form only")
@pytest.mark.parametrize("chunk", range(4))
def test_both_forms_cut_alike(chunk: int) -> None:
    own, found = forms.source(shapes), 0
    before: list[tuple[tuple[bytes, ...], bytes]] = []
    for number in range(chunk, 4 * ROUNDS, 4):
        dice = random.Random(number)
        text, _, _ = _frame(dice)
        for _ in range(4):
            data = _filled(dice, text)
            if dice.random() < 0.3:
                data = data[: dice.randrange(len(data) + 1)]
            told = shapes.cut(data)
            assert told == own.cut(data), f"case {number}: {data!r}"
            for pieces, places in before[-6:]:
                fitting = shapes.fit(data, pieces, places)
                assert fitting == own.fit(data, pieces, places), f"case {number}: {data!r}"
                of_shape = told is not None and shapes.apart(told[0]) == (pieces, places)
                assert fitting == (told[1:] if told is not None and of_shape else None), f"case {number}: {data!r}"
            if told is None:
                continue
            found += 1
            before.append(shapes.apart(told[0]))
            assert shapes.fit(data, *before[-1]) == told[1:], f"case {number}: {data!r}"
    assert found > ROUNDS


def test_no_more_shapes_are_known_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "CUT", shapes.cut)
    monkeypatch.setattr(remembered, "_SHAPES", 8)
    table = Shapes()
    nothing = remembered.Described(Message("m", "x", True, Protection.CLEAR, 0, None))  # noqa: FBT003
    for number in range(50):
        data = b"<x>%d</x>" % number
        table.described(nothing.message, data, (0, ()), None, LIMITS, lambda _: nothing)
        assert len(table.known) <= 8
        assert table.bytes == sum(len(shape) for shape, *_ in table.known)
        assert all(len(recent) <= remembered._RECENT for recent in table.recent.values())


def _both(ids: Sequence[str], texts: Sequence[str | bytes]) -> object:
    return ids[1], texts[2]


def test_both_forms_fill_alike() -> None:
    own = forms.source(shapes)
    dice = random.Random(7)
    width = len(Message.__struct_fields__)
    for _ in range(400):
        places: shapes.Places = ([], [], [], [])
        within: list[int] = []
        others: list[tuple[int, shapes.Fill]] = []
        for at in dice.sample(range(6, width), dice.randrange(8)):
            which = dice.randrange(6)
            if which < 3:
                places[:3][which].append((at, dice.randrange(3)))
            elif which == 3:
                places[3].append((at, dice.randrange(3), "uuid:", dice.choice(("", "/"))))
            elif which == 4:
                within.append(at)
            else:
                others.append((at, _both))
        last = dice.choice((-1, Message.__struct_fields__.index("text_digest")))
        first = "c1.x1.q", "c1.x1", True, Protection.CLEAR, 7, None
        ids, texts = [f"aB-{dice.randrange(900)}" for _ in range(3)], [dice.choice(("dir", b"QQ==")) for _ in range(3)]
        made = []
        for one in (shapes, own):
            pair = one.Form(None, ("a", "b"), ([(0, 1)], [], [(1, 2)], []), [], -1)
            inside = [*others, *((at, pair) for at in within)]
            made.append(one.Form(Message, range(width), places, inside, last).made(first, b"digest", ids, texts))
        assert made[0] == made[1]
        assert all(getattr(made[0], Message.__struct_fields__[at]) == (ids[1], texts[2]) for at in within if at != last)
        assert all(getattr(made[0], Message.__struct_fields__[at]) == before + ids[number] + after for at, number, before, after in places[3] if at != last)
        assert made[0].id == "c1.x1.q"
        assert (made[0].text_digest == b"digest") is (last >= 0)
        assert all(getattr(made[0], Message.__struct_fields__[at]) == ids[number] for at, number in places[0] if at != last)


def test_texts_that_come_again_soon_are_one_object_and_those_before_are_forgotten() -> None:
    for one in (shapes, forms.source(shapes)):
        first = one.same("a B".lower())
        assert one.same("a B".lower()) is first
        for number in range(2000):
            one.same(f"other {number}")
        assert one.same("a B".lower()) is not first
