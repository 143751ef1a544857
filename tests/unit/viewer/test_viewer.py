"""The viewer: every address answers, every link leads somewhere, nothing is shown that acts, nothing is reached but the case."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient

import analyzer
from analyzer import api
from analyzer.case import viewing
from analyzer.case.opened import opened_folder
from analyzer.cli import start
from analyzer.engine.store import stored_files
from analyzer.tables.paging import StoredTables
from analyzer.viewer.app import ADDRESSES, Viewer, app
from tests.build import careless
from tests.build import evidence as build
from tests.golden.samples import captures, truth

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"
HOST = "127.0.0.1:8080"
BASE = f"http://{HOST}/token/"
HOSTILE = "<script>alert(1)</script>\"'\x1b[31m\u202e"
EVERY = ("", "style.css", "table/exchanges", "row/connections/c1", "ladder/c1", "id/c1", "search?q=a", "sql?q=select+1")


def client(folder: Path, *, sql: bool = True, secrets: Path | None = None) -> FlaskClient:
    case = opened_folder(folder).hiding(None if secrets is None else str(secrets))
    told = case.manifest().get("diagnosis")
    viewer = Viewer(folder.name, told if isinstance(told, list) else [], StoredTables(stored_files(folder)), case.shown_rows, "token", sql=sql)
    made = app(viewer, [HOST])
    made.testing = True
    return made.test_client()


def got(pages: FlaskClient, address: str, status: int = 200) -> str:
    answer = pages.get(urljoin(BASE, address), base_url=f"http://{HOST}")
    assert answer.status_code == status, (address, answer.status_code)
    return answer.get_data(as_text=True)


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sample = SAMPLES / "nginx-pooled-second-client"
    folder = tmp_path_factory.mktemp("viewer") / "pooled"
    analyzer.analyze(captures(sample, truth(sample)), secrets=sample / "secrets.toml").save(folder)
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewer") / "hostile"
    build.case(build.hostile(HOSTILE)).save(folder)
    return folder


def test_every_address_has_a_test() -> None:
    assert {re.split(r"[/?]", one)[0] for one in EVERY} == {one.partition("/")[0] for one in ADDRESSES}


@pytest.mark.parametrize("address", EVERY)
def test_every_address_answers_and_forbids_scripts(pooled: Path, address: str) -> None:
    answer = client(pooled).get(urljoin(BASE, address), base_url=f"http://{HOST}")
    assert answer.status_code == (302 if address.startswith("id/") else 200)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert "<script" not in answer.get_data(as_text=True)


def test_every_link_leads_somewhere_and_none_leads_out(pooled: Path) -> None:
    pages, todo = client(pooled), [BASE]
    seen: set[str] = set()
    while todo and len(seen) < 600:
        address = todo.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = pages.get(address, base_url=f"http://{HOST}")
        assert answer.status_code in {200, 302}, address
        for link in _links(answer.get_data(as_text=True)):
            whole = urljoin(address, link).partition("#")[0]
            assert urlsplit(whole).netloc == HOST, (address, link)
            todo.append(whole)
    kinds = {urlsplit(one).path.split("/")[2] for one in seen}
    assert {"table", "row", "ladder", "sql", "style.css"} <= kinds
    assert len(seen) > 100


def _links(page: str) -> Iterator[str]:
    return (unescape(one) for one in re.findall(r'(?:href|src)="([^"]*)"', page) if not one.startswith(("#", "data:")))


def test_the_first_page_says_what_happened(pooled: Path) -> None:
    page = got(client(pooled), "")
    told = opened_folder(pooled).manifest()["diagnosis"]
    assert isinstance(told, list)
    assert all(str(line) in unescape(page) for line in told)
    assert api.open_case(pooled).incidents["rule"][0] in got(client(pooled), "row/incidents/i1")


@pytest.mark.parametrize("address", ["", "table/exchanges?all=1", "table/commands?all=1", "table/findings?all=1", "search?q=script", "row/connections/c1"])
def test_captured_text_never_acts(hostile: Path, address: str) -> None:
    page = got(client(hostile), address)
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize(
    ("address", "host", "method"),
    [
        ("http://127.0.0.1:8080/", HOST, "GET"),
        ("http://127.0.0.1:8080/guess/", HOST, "GET"),
        ("http://127.0.0.1:8080/guess/style.css", HOST, "GET"),
        (BASE, "evil.example", "GET"),
        (BASE, "127.0.0.1:8081", "GET"),
        (f"{BASE}table/nothing", HOST, "GET"),
        (f"{BASE}table/ladders", HOST, "GET"),
        (f"{BASE}row/connections/c999", HOST, "GET"),
        (f"{BASE}id/zzz", HOST, "GET"),
    ],
)
def test_who_does_not_know_the_address_gets_nothing(pooled: Path, address: str, host: str, method: str) -> None:
    answer = client(pooled).open(urlsplit(address).path, method=method, base_url=f"http://{host}")
    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_sent(pooled: Path, method: str) -> None:
    assert client(pooled).open("/token/sql", method=method, base_url=f"http://{HOST}").status_code in {404, 405}


@pytest.mark.parametrize(
    "query",
    [
        "drop view exchanges",
        "select 1; select 2",
        "create table x as select 1",
        "copy exchanges to '/tmp/x.csv'",
        "select * from read_text('/etc/passwd')",
        "select * from read_csv('/etc/passwd')",
        "attach '/tmp/x.db'",
        "install httpfs",
        "set threads = 4",
        "select * from",
        "select * from glob('/*')",
    ],
)
def test_sql_reads_the_case_only(pooled: Path, query: str) -> None:
    page = got(client(pooled), f"sql?q={query}")
    assert 'role="alert"' in page
    assert "root:" not in page


def test_sql_answers(pooled: Path) -> None:
    page = got(client(pooled), "sql?q=select count(*) as many from exchanges")
    assert "many" in page
    assert f"<td>{len(api.open_case(pooled).exchanges)}</td>" in page
    assert "and more that are not shown" in got(client(pooled), "sql?q=select * from range(5000)")


def test_sql_that_takes_long_is_stopped(pooled: Path) -> None:
    tables = StoredTables(stored_files(pooled))
    with pytest.raises(analyzer.AnalyzerError, match="took more than"):
        tables.sql("select count(*) from range(1000000000) a, range(1000000000) b where a.range * b.range = 7", 10, 0.2)


def test_a_folder_with_secrets_shows_none_and_answers_no_sql(tmp_path: Path) -> None:
    paths = careless.written(tmp_path / "evidence")
    analyzer.analyze(paths[0]).save(tmp_path / "shown", show_secrets=True)
    pages, secret = client(tmp_path / "shown", sql=False, secrets=paths[1]), careless.PASSWORD.encode()
    assert "show-secrets" in got(pages, "sql?q=select 1", 400)
    assert 'href="/token/sql"' not in got(pages, "")
    stored = b"".join(str(row).encode() for name in ("commands", "streams") for row in opened_folder(tmp_path / "shown").show_secrets().cells(name))
    assert secret in stored or repr(careless.PASSWORD).encode()[1:-1] in stored
    name = api.open_case(tmp_path / "shown").commands["command_id"][0]
    for address in ("table/commands?all=1", "table/streams?all=1", "search?q=password", f"row/commands/{name}"):
        assert careless.PASSWORD not in unescape(got(pages, address)), address


def test_the_server_listens_on_loopback_below_a_token(pooled: Path) -> None:
    with viewing.server(pooled, 0, show_secrets=False) as (one, _), viewing.server(pooled, 0, show_secrets=False) as (other, _):
        assert one.startswith("http://127.0.0.1:")
        assert len(urlsplit(one).path) > 30
        assert urlsplit(one).path != urlsplit(other).path


def test_pages_and_order_and_filter(pooled: Path) -> None:
    case = api.open_case(pooled)
    names = case.exchanges["exchange_id"].tolist()
    tables = StoredTables(stored_files(pooled))
    place = list(case.exchanges.columns).index("exchange_id")
    assert [row[place] for row in tables.page("exchanges", 0, 3)] == names[:3]
    assert [row[place] for row in tables.page("exchanges", 2, 3)] == names[2:5]
    assert [row[place] for row in tables.page("exchanges", 0, 500, order="exchange_id", down=True)] == sorted(names, reverse=True)
    assert tables.count("exchanges", "/WSMAN") == len(names)
    assert tables.count("exchanges", "%") == 0, "what is a pattern elsewhere is a letter here"
    assert "No row" in got(client(pooled), "table/exchanges?q=nothing-has-this")
    assert "no column" in got(client(pooled), "table/exchanges?order=nope", 400)


def test_the_command_refuses_what_is_no_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start.run(["serve", str(tmp_path), "--no-open"]) == 2
    assert "case folder" in capsys.readouterr().err
