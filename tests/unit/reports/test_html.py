"""The report as text and in a real browser: order, sizes, sameness, and that nothing of a capture ever runs or loads."""

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

import analyzer
from analyzer.errors import OutputError
from analyzer.records.finding import Severity
from analyzer.records.issues import Issue
from analyzer.records.result import Result
from analyzer.records.wsman import Command, Output, Shell
from analyzer.reports.html.exposure import exposures
from analyzer.reports.html.faults import faults
from analyzer.reports.html.hosts import hosts
from analyzer.reports.html.overview import coverage
from analyzer.reports.html.page import MOST_BYTES, Origin, page
from analyzer.reports.html.source import Source
from analyzer.reports.html.strips import lives
from analyzer.rules.products import PRODUCTS
from tests.build import evidence as build
from tests.unit.reports.browser import PROGRAM, Browser

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"
ORDER = (
    "diagnosis", "map", "timeline", "ran", "incidents", "findings", "scorecards", "connections", "ladders", "transcript", "logons", "exposure", "faults",
    "files", "capture-problems", "method",
)  # fmt: skip
DOCUMENTS = (
    "https://learn.microsoft.com/",
    "https://www.rfc-editor.org/",
    *(setting.document for product in PRODUCTS for setting in product.settings.values()),
)
"""What a finding may link to: nothing is loaded from there, a reader may follow it."""
PAYLOADS = (
    "<script>document.title='pwned'</script>", "\"><img src=x onerror=\"document.title='pwned'\">", "'><svg onload=document.title='pwned'>",
    "<iframe src=javascript:parent.document.title='pwned'>", "javascript:document.title='pwned'", "</style><script>document.title='pwned'</script>",
    "</title><script>document.title='pwned'</script>", "<base href=http://198.51.100.9/>", "<link rel=stylesheet href=http://198.51.100.9/x.css>",
    "<img src=http://198.51.100.9/x.png>", "<form action=http://198.51.100.9/><button>", "<meta http-equiv=refresh content=0;url=http://198.51.100.9/>",
    "{{ 7*7 }}{% raw %}", "<!--", "-->", "]]><x>", "&lt;b&gt;&#x3c;", "<math><mtext><table><mglyph><style><img src=x onerror=document.title='pwned'>",
    "<details open ontoggle=document.title='pwned'>", "` onfocus=document.title='pwned' autofocus=`", "<a href=http://198.51.100.9/>x</a>",
    "\x1b]0;pwned\x07\u202egnp.exe\u2066\u200b\ufeff", "<object data=http://198.51.100.9/x>", "<audio src=http://198.51.100.9/x autoplay>",
    "<textarea></textarea><noscript><p title=\"</noscript><img src=x onerror=document.title='pwned'>\">", "url(http://198.51.100.9/x)", "\U000e0041\ud800",
)  # fmt: skip

browser_needed = pytest.mark.skipif(PROGRAM is None, reason="needs the program chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def hostile(text: str) -> analyzer.Case:
    """`build.hostile`, with the text also in what was run and in packet comments."""
    made = build.hostile(text)
    output = Output(text, 1, build.T0, (12,), text, 1)
    command = Command("C1", "S1", text, text, text, build.T0, build.T0, 0, text, (output, output._replace(stream="stdout")), text, 0, (10,))
    shell = Shell("S1", text, text, text, text, build.T0, build.T0, ("c1",), ("C1",), text, 0, (10,))
    shots = tuple(replace(one, comments=((1, text),)) for one in made.evidence.captures)
    case = build.case(replace(made, shells=(shell,), commands=(command,), evidence=replace(made.evidence, captures=shots)))
    case._about = {"arguments": [text]}
    return case


def written(case: analyzer.Case, path: Path, **options: str) -> str:
    case.report(path, clobber=True, **options)  # type: ignore[arg-type]
    return path.read_text(encoding="utf-8")


class Tags(HTMLParser):
    """The start tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("result", [build.direct(), build.proxied(), build.nothing(), build.hostile("<x>")], ids=["direct", "proxied", "nothing", "hostile"])
def test_one_page_that_needs_nothing_else(result: Result, tmp_path: Path) -> None:
    made = written(build.case(result), tmp_path / "r.html")
    tags = Tags(made).found
    assert [attributes["id"] for tag, attributes in tags if tag == "section"] == list(ORDER)
    assert [sum(tag == name for tag, _ in tags) for name in ("style", "script", "h1", "main")] == [1, 1, 1, 1]
    names = {name for _, attributes in tags for name in attributes}
    assert not names & {"style", "src", "srcset", "action", "data"} | {name for name in names if name.startswith("on")}
    links = [(tag, str(attributes["href"])) for tag, attributes in tags if "href" in attributes]
    assert [(tag, link) for tag, link in links if not (tag == "a" and link.startswith(("#", *DOCUMENTS)))] == []
    assert not re.search(r"(?<!xmlns=\")(?<!href=\")(?<!noreferrer\">)https?://", made)
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link[1:] for _, link in links if link.startswith("#")} <= set(ids)
    assert all(attributes.get("scope") for tag, attributes in tags if tag == "th")


def test_the_policy_names_the_style_and_the_script_by_their_hashes(tmp_path: Path) -> None:
    made = written(build.case(build.direct()), tmp_path / "r.html")
    policy = next(attributes["content"] or "" for tag, attributes in Tags(made).found if attributes.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    for name in ("style", "script"):
        content = made.partition(f"<{name}>")[2].partition(f"</{name}>")[0]
        assert f"{name}-src 'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy
    assert made.index("Content-Security-Policy") < made.index("<title>") < made.index("<style>")
    assert len(made.partition("<script>")[2].partition("</script>")[0]) < 5000


def test_a_case_folder_gives_the_same_page_again_and_again(tmp_path: Path) -> None:
    case = build.case(build.proxied())
    opened = case.save(tmp_path / "case")
    pages = [written(one, tmp_path / f"{place}.html") for place, one in enumerate((case, case))]
    opened.report(tmp_path / "opened.html")
    assert pages[0] == pages[1] == (tmp_path / "opened.html").read_text(encoding="utf-8")


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("mine")
    with pytest.raises(OutputError):
        build.case(build.direct()).report(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text() == "mine"


def test_what_the_sections_say(tmp_path: Path) -> None:
    made = written(build.case(build.direct()), tmp_path / "r.html", title="case 2026-017 <x>")
    for piece in (
        "case 2026-017 &lt;x&gt;", "1 capture with 40 packets", "LAB\\alice", "frame.number in {10..12, 15}", "the password or NT hash of LAB\\alice (NTLM)",
        "Absence of a finding is not absence of activity", "40 bytes of c1 not in the capture", "FIN of c1, sent by the server", "guessable", "RFC 4559",
        "masked", "40 bytes on 1 connection are not in the capture", "tcp.gap",
    ):  # fmt: skip
        assert piece in made, piece
    shown = tmp_path / "shown.html"
    build.case(build.direct()).report(shown, show_secrets=True)
    assert "made with --show-secrets" in shown.read_text(encoding="utf-8")
    proxied = written(build.case(build.proxied()), tmp_path / "r.html")
    assert 'id="ladder-1-0-title">Sequence diagram r1: forward proxy, c1 to c2' in proxied
    assert "not tested" in proxied
    assert "No finding" in written(build.case(build.nothing()), tmp_path / "r.html")


def test_the_first_screen_answers_three_questions(tmp_path: Path) -> None:
    case = analyzer.analyze(SAMPLES / "badproxy-close-after-200")
    made = written(case, tmp_path / "r.html", case_id="2026-017 <x>", examiner="A. <b>")
    first = made.partition('<section id="diagnosis"')[2].partition("</section>")[0]
    happened, _, rest = first.partition("Whose part is it")
    whose, _, change = rest.partition("What to change or record next")
    assert "failed with status 400" in happened
    assert "proxy 10.10.1.1:3128" in whose
    assert 'href="#i1"' in whose
    assert "Let the proxy keep connections open after the logon" in change
    assert "squid" in change
    assert "case 2026-017 &lt;x&gt; · examiner A. &lt;b&gt;" in made
    assert made.index("case 2026-017") < made.index('id="diagnosis"')


def test_the_map_has_both_sides_of_the_proxy_and_what_broke(tmp_path: Path) -> None:
    drawing = hosts(source_of(analyzer.analyze(SAMPLES / "badproxy-close-after-200")))
    assert drawing is not None
    assert [(near.partition(" (")[0], far.partition(" (")[0], edge.connections) for near, far, edge in drawing.edges] == [
        ("client 10.10.1.11", "proxy 10.10.1.1:3128", 4),
        ("proxy 10.10.1.1:3128", "server 10.20.2.20:5985", 4),
    ]
    assert drawing.edges[0][2].broken == 2
    assert "2 broken" in drawing.drawing
    healthy = hosts(source_of(analyzer.analyze(SAMPLES / "squid-ntlm-healthy")))
    assert healthy is not None
    assert "broke" not in healthy.drawing


def test_a_chain_of_proxies_stands_in_a_row() -> None:
    sample = SAMPLES / "chain-of-two-proxies"
    drawing = hosts(source_of(analyzer.analyze([str(path) for path in sorted(sample.glob("*.pcap"))])))
    assert drawing is not None
    places = [int(x) for x in re.findall(r'<rect class="box" x="(\d+)"', drawing.drawing)]
    assert len(places) == len(set(places)) == 4
    assert all("broke" not in one for one in drawing.edges)


def test_each_connection_has_its_strip_and_those_of_findings_come_first() -> None:
    made, total = lives(source_of(analyzer.analyze(SAMPLES / "badproxy-close-after-200")), 100)
    assert total == len(made) == 8
    named = [bool(life.findings) for life in made]
    assert named == sorted(named, reverse=True)
    assert named.count(True) == 2
    assert all(life.strip.startswith("<svg") and life.strip.endswith("</svg>") for life in made)
    assert 'class="found"' in made[0].strip


def source_of(case: analyzer.Case) -> Source:
    return Source(case.cells)


def test_coverage_is_that_of_the_first_screen() -> None:
    from analyzer.reports import facts

    for result in (build.direct(), build.proxied(), build.nothing()):
        case = build.case(result)
        mine, theirs = coverage(Source(case.cells)), facts.coverage(result.evidence)
        assert (mine.bodies, mine.opened, mine.closed, mine.missing_bytes) == (theirs.bodies, theirs.opened, theirs.closed, theirs.missing_bytes)
        assert (mine.keys, mine.tls_connections) == (theirs.wanted_keys, theirs.tls_connections)


@pytest.mark.parametrize(
    ("changed", "level", "word"),
    [
        ({"mechanism": "basic"}, "readable", "password itself"),
        ({"mechanism": "basic", "over_tls": True}, "protected", "Inside TLS"),
        ({"mechanism": "ntlm", "ntlm_version": "ntlmv1"}, "guessable", "NT hash itself"),
        ({"mechanism": "ntlm", "ntlm_version": "ntlmv2"}, "guessable", "guessed offline"),
        ({"mechanism": "ntlm", "ntlm_version": None}, "unknown", "not in the capture"),
        ({"mechanism": "ntlm", "ntlm_version": "anonymous"}, "protected", "anonymous"),
        ({"mechanism": "kerberos", "etype": 23}, "guessable", "RC4"),
        ({"mechanism": "kerberos", "etype": 18}, "protected", "ticket"),
        ({"mechanism": "credssp"}, "protected", "TLS inside"),
        ({"mechanism": "certificate"}, "protected", "certificate"),
        ({"mechanism": None}, "unknown", "cannot be told"),
    ],
)
def test_what_a_hop_shows_of_credentials(changed: dict[str, object], level: str, word: str) -> None:
    source = Source(build.case(build.direct()).cells)
    row = {**source.rows("authentications")[0], **changed}
    source._rows["authentications"] = [row]  # type: ignore[list-item]
    [found] = exposures(source)
    assert found.level == level
    assert word in found.means


def test_waiting_is_counted_and_told_apart_from_trouble() -> None:
    made = build.direct()
    asked, answered = (made.evidence.messages[name] for name in ("c1.x2.q", "c1.x2.s"))
    bodies = dict(made.evidence.messages)
    bodies["c1.x2.q"] = replace(asked, operation="Receive")
    bodies["c1.x2.s"] = replace(answered, operation="Fault", fault_code="2150858793")
    [fault] = faults(Source(build.case(replace(made, evidence=replace(made.evidence, messages=bodies))).cells))
    assert (fault.normal, fault.times, fault.answered) == (True, 1, "Receive")
    bodies["c1.x2.q"] = replace(asked, operation="Create")
    [fault] = faults(Source(build.case(replace(made, evidence=replace(made.evidence, messages=bodies))).cells))
    assert not fault.normal


def test_a_page_of_a_large_case_stays_small_and_says_what_is_left_out(tmp_path: Path) -> None:
    owner = build.connection(to_server=build.stream(10**7), to_client=build.stream(10**7))
    exchanges = [build.exchange(owner, place, at_ms=place, target="/wsman?" + "x" * 300) for place in range(1, 3001)]
    long = "<&>" * 700
    found = tuple(replace(build.finding(severity=Severity.HIGH, at_ms=place, title=long), why=long, advice=long) for place in range(3000))
    talks = [build.conversation(owner, [one], user=f"user{place}", ordinal=place) for place, one in enumerate(exchanges)]
    output = Output("stdout", 1, build.T0, (12,), "<line>\n" * 100_000, 1)
    commands = tuple(Command(f"C{n}", "S1", "winrs", long, None, build.T0, build.T0, 0, "Done", (output,) if n < 2 else (), "a", 0, (10,)) for n in range(3000))
    shell = Shell("S1", "winrs", "a", "b", "c", build.T0, build.T0, ("c1",), ("C1",), "u", 0, (10,))
    issues = [Issue(f"x.{place}", long, "c1", 0, place) for place in range(3000)]
    made = build.evidence([build.capture()], [owner], exchanges, conversations=talks, issues=issues)
    case = build.case(Result(made, found, {}, (), (shell,), commands))
    text = written(case, tmp_path / "r.html")
    assert len(text.encode()) < MOST_BYTES
    for said in (r"of 3,000 findings shown", r"of 6,000 messages are drawn", r"of 3,000 logons shown", r"of 3,000 commands shown", "more characters"):
        assert re.search(said, text), said


def test_a_manifest_from_a_stranger_is_no_danger() -> None:
    case = build.case(build.direct())
    for about in ({}, {"rules": [1, {"id": "<b>"}], "arguments": "x", "limits_hit": [None], "version": ["<i>"]}):
        made = page(case.cells, Origin.of(about, None, show_secrets=False))
        assert "<b>" not in made
        assert "<i>" not in made


COUNT = "JSON.stringify([...document.querySelectorAll('*')].reduce((n, e) => (n[e.tagName] = (n[e.tagName] || 0) + 1, n), {}))"


@browser_needed
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_nothing_of_a_capture_runs_loads_or_becomes_an_element(browser: Browser, payload: str, tmp_path: Path) -> None:
    written(hostile("benign"), tmp_path / "benign.html")
    browser.open(tmp_path / "benign.html")
    elements = browser.value(COUNT)
    written(hostile(payload), path := tmp_path / "r.html")
    browser.open(path)
    browser.value("new Promise(done => setTimeout(done, 60))")
    assert browser.value("document.title") == "WinRM capture report"
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]
    assert browser.value(COUNT) == elements


@browser_needed
def test_the_policy_holds_where_escaping_would_fail_and_the_test_can_fail(browser: Browser, tmp_path: Path) -> None:
    made = written(build.case(build.direct()), tmp_path / "r.html")
    attack = "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\"><img src=http://198.51.100.9/x.png></main>"
    let_in = made.replace("</main>", attack)
    for name, content, title in (("kept", let_in, "WinRM capture report"), ("gone", re.sub(r"<meta http-equiv[^>]*>", "", let_in), "pwned")):
        path = tmp_path / f"{name}.html"
        path.write_text(content, encoding="utf-8")
        browser.open(path)
        browser.value("new Promise(done => setTimeout(done, 60))")
        assert browser.value("document.title") == title
        assert bool(browser.complaints()) is (name == "kept") or name == "gone"


@browser_needed
def test_everything_can_be_read_without_script(browser: Browser, tmp_path: Path) -> None:
    written(build.case(build.proxied()), path := tmp_path / "r.html")
    texts = []
    for script in (True, False):
        browser.open(path, script=script)
        whole = browser.value("document.body.textContent")
        assert browser.value("document.querySelector('button.copy').hidden") is not script
        browser.value("document.querySelectorAll('.copy, .filter').forEach((one) => { one.hidden = true; })")
        texts.append((whole, browser.value("document.querySelector('main').innerText")))
    assert texts[0] == texts[1]
    assert "LAB\\alice" in texts[0][1]


@browser_needed
def test_the_script_filters_and_copies(browser: Browser, tmp_path: Path) -> None:
    written(build.case(build.proxied()), path := tmp_path / "r.html")
    browser.open(path)
    shown = "[...document.querySelectorAll('.finding')].filter(card => !card.hidden).length"
    assert browser.value(shown) == 3
    browser.value("(() => { const box = document.getElementById('filter-finding'); box.value = 'AUTH.x'; box.dispatchEvent(new Event('input')); })()")
    assert browser.value(shown) == 1
    assert browser.value("document.querySelector('#findings [role=status]').textContent") == "1 of 3 findings; all of them were searched"
    browser.value("document.querySelector('.finding:not([hidden]) button.copy').click()")
    browser.value("new Promise(done => setTimeout(done, 300))")
    assert "filter" in browser.value("document.getElementById('told').textContent")
    assert browser.complaints() == []


@browser_needed
def test_a_table_sorts_by_its_headings(browser: Browser, tmp_path: Path) -> None:
    written(build.case(build.proxied()), path := tmp_path / "r.html")
    browser.open(path)
    ids = "[...document.querySelectorAll('.connections-table tbody th')].map(cell => cell.textContent).join()"
    first = browser.value(ids)
    for expected in (",".join(sorted(first.split(","))), ",".join(sorted(first.split(","), reverse=True))):
        browser.value("document.querySelector('.connections-table thead button').click()")
        assert browser.value(ids) == expected
    assert browser.value("document.querySelector('.connections-table th').getAttribute('aria-sort')") == "descending"
    assert browser.complaints() == []


@browser_needed
@pytest.mark.parametrize("width", [360, 1400])
def test_the_page_fits_and_can_be_seen(browser: Browser, width: int, tmp_path: Path) -> None:
    """The contrast of every text against what lies behind it is at least 4.5 to 1 (WCAG 2.2, 1.4.3), light and dark."""
    written(build.case(build.proxied()), path := tmp_path / "r.html")
    browser.open(path)
    browser.size(width)
    assert browser.value("document.documentElement.scrollWidth") == width
    for dark in (False, True):
        browser.look(tmp_path / "seen.png", width, dark=dark)
        assert (tmp_path / "seen.png").stat().st_size > 20_000
        assert browser.value(CONTRAST) == []


CONTRAST = r"""(() => {
  const parts = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => { for (let at = node; at; at = at.parentElement) {
    const colour = parts(getComputedStyle(at).backgroundColor); if (colour.length === 3 || colour[3] > 0) return colour; } return [255, 255, 255]; };
  const bad = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || ["SCRIPT", "STYLE", "title", "desc"].includes(node.tagName) || node.closest("[hidden]")) continue;
    const style = getComputedStyle(node);
    const ink = node.closest("svg") ? style.fill : style.color;
    const [high, low] = [light(parts(ink)), light(behind(node))].sort((a, b) => b - a);
    if ((high + 0.05) / (low + 0.05) < 4.5) bad.push(`${node.tagName}.${node.className} ${ink}: ${node.textContent.trim().slice(0, 40)}`);
  }
  return bad;
})()"""
