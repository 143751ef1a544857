"""The scope of whatever authenticates by Negotiate, NTLM or Kerberos over HTTP: WinRM's findings are found again, a web application's are found at all, and the
words do not claim that it is WinRM."""

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import analyzer
from analyzer import api
from analyzer.api import Case
from analyzer.cli.commands import cli
from analyzer.rules.catalogue import rule_ids
from analyzer.rules.negotiated import RULES, in_words
from tests.build.talk_http import Ask, Reply, offer, reply
from tests.build.talk_proxy import ALICE, BOB, PROXY, PROXY_FAR, SERVER
from tests.build.talk_tokens import Shake, ntlm, spnego_ntlm
from tests.build.talks import Talk, Wire

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
PUBLIC = Path(os.environ.get("WINRM_CAPTURES", "/nowhere"), "odedshimon+BruteShark")
_NAMED = re.compile(r"WinRM(?! [Cc]lient)|winrm/config|\bWSMan\b")
WINRM = (
    "h2o-pooled-second-client",
    "lighttpd-split-client-side",
    "haproxy-kerberos-reuse-always",
    "badproxy-reset-after-200",
    "badproxy-gateway-502",
    "caddy-502-server-down",
    "direct-password-spray",
    "kdc-unknown-spn",
    "wrong-password",
    "proxy-header-not-expected",
    "squid-kerberos-healthy",
    "direct-ntlm-healthy",
    "squid-connect-proxyauth-ntlm",
    "snaplen-96",
)


def sampled(name: str, *, negotiate: bool) -> Case:
    folder = SAMPLES / name
    secrets = folder / "secrets.toml"
    files = [file for file in sorted(folder.iterdir()) if ".pcap" in file.suffix]
    return analyzer.analyze(files, secrets=secrets if secrets.exists() else None, scope=api.scope(negotiate=negotiate))


@pytest.mark.parametrize("name", WINRM)
def test_winrm_is_one_of_them(name: str) -> None:
    usual, wide = sampled(name, negotiate=False), sampled(name, negotiate=True)
    assert wide.evidence.winrm == usual.evidence.winrm
    assert wide.evidence.story.logons == usual.evidence.story.logons
    assert wide.evidence.story.fates == usual.evidence.story.fates
    found = [(one.rule, one.severity, one.packets) for one in wide.result.findings]
    assert found == [(one.rule, one.severity, one.packets) for one in usual.result.findings if one.rule in RULES]
    told = [text for one in wide.result.findings for text in (one.title, one.why, one.advice)]
    assert [text for text in (*told, wide.diagnosis) if _NAMED.search(text)] == []


def get(path: str, *fields: tuple[str, str], host: str = "intranet.lab.example") -> Ask:
    return Ask("GET", path, (("Host", host), ("User-Agent", "Mozilla/5.0"), ("Accept", "text/html"), *fields))


def page(words: str, *fields: tuple[str, str], server: str = "Microsoft-IIS/10.0") -> Reply:
    body = f"<html><body>{words}</body></html>".encode()
    own = (("Content-Type", "text/html"), ("Server", server), ("Content-Length", str(len(body))))
    return reply(200)._replace(fields=(*own, *fields), body=body)


def logged_on(near: Talk, far: Talk | None, shake: Shake) -> None:
    """A browser asks for a page and logs on for it; through a proxy where there is a far side."""

    def turn(asked: Ask, answered: Reply) -> None:
        if far is None:
            near.exchange(asked, answered)
            return
        near.send(asked)
        far.send(asked)
        far.answer(answered)
        near.answer(answered)

    turn(get("/"), offer(shake.scheme))
    for place in range(shake.trips - 1):
        turn(get("/", shake.credentials(place)), shake.challenge(place))
    turn(get("/", shake.credentials(shake.trips - 1)), page("hello", *shake.last_token))
    turn(get("/reports/1"), page("one"))


def wide(lan: Wire, path: Path) -> Case:
    return analyzer.analyze(lan.capture(path), scope=api.scope(negotiate=True))


@pytest.mark.parametrize("server", ["Microsoft-IIS/10.0", "Apache/2.4.57 (Debian)", "nginx/1.22.1"])
def test_a_healthy_web_application_is_not_accused(server: str, tmp_path: Path) -> None:
    lan = Wire()
    talk = lan.connect(ALICE, 50001, SERVER, 80)
    logged_on(talk, None, spnego_ntlm())
    talk.exchange(get("/style.css"), page("p", server=server))
    talk.close_by_client()
    case = wide(lan, tmp_path / "wire.pcap")
    assert [one.rule for one in case.result.findings if one.severity not in ("info", "low")] == []
    assert [(one.user, one.outcome.value) for one in case.evidence.story.logons] == [("alice", "accepted")]
    assert {party.kind.value for party in case.evidence.story.parties} == {"client", "server"}
    text = case.overview()
    assert "1 web application connection" in text
    assert not _NAMED.search(text.replace("encrypted by WinRM", ""))
    assert analyzer.analyze(tmp_path / "wire.pcap").evidence.winrm == frozenset()


def test_a_proxy_that_gives_one_clients_connection_to_another(tmp_path: Path) -> None:
    lan = Wire()
    near, far = lan.connect(ALICE, 50001, PROXY, 80), lan.connect(PROXY_FAR, 40001, SERVER, 80)
    logged_on(near, far, ntlm())
    other = lan.connect(BOB, 50002, PROXY, 80)
    for path in ("/secret/1", "/secret/2"):
        other.send(get(path))
        far.send(get(path))
        far.answer(page(f"for alice only {path}"))
        other.answer(page(f"for alice only {path}"))
    case = wide(lan, tmp_path / "wire.pcap")
    found = {one.rule: one for one in case.result.findings}
    shared = found["affinity.shared-authenticated-upstream"]
    assert shared.severity == "critical"
    assert "unless the application lets anyone ask for this" in shared.why
    assert BOB in shared.why
    assert analyzer.analyze(tmp_path / "wire.pcap").findings.empty


def test_a_proxy_that_spreads_one_logon_over_two_connections(tmp_path: Path) -> None:
    lan = Wire()
    near, shake = lan.connect(ALICE, 50001, PROXY, 80), ntlm()
    turns = [(get("/"), offer(shake.scheme)), (get("/", shake.credentials(0)), shake.challenge(0)), (get("/", shake.credentials(1)), offer(shake.scheme))]
    for port, (asked, answered) in enumerate(turns, 40001):
        far = lan.connect(PROXY_FAR, port, SERVER, 80)
        near.send(asked)
        far.send(asked)
        far.answer(answered)
        near.answer(answered)
    case = wide(lan, tmp_path / "wire.pcap")
    assert "affinity.handshake-split" in {one.rule for one in case.result.findings}


def test_rules_about_winrm_are_not_asked(tmp_path: Path) -> None:
    assert set(RULES) <= set(rule_ids())
    assert not any(one.startswith(("wsman.", "enc.")) for one in RULES)
    (tmp_path / "evidence").mkdir()
    lan = Wire()
    logged_on(lan.connect(ALICE, 50001, SERVER, 80), None, ntlm())
    case = wide(lan, tmp_path / "evidence" / "wire.pcap")
    assert f"{len(RULES)} rules looked at the evidence" in " ".join(case.at_least("critical").findings_text().split())
    assert len(case.manifest()["rules"]) == len(RULES)  # type: ignore[arg-type]
    (tmp_path / "out").mkdir()
    case.report(tmp_path / "out" / "report.html")
    assert "Capture report of web applications" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_capture_without_any(tmp_path: Path) -> None:
    lan = Wire()
    lan.connect(ALICE, 50001, SERVER, 80).exchange(get("/"), page("open to all"))
    path = lan.capture(tmp_path / "wire.pcap")
    done = CliRunner().invoke(cli, ["analyze", "--scope", "negotiate", str(path)])
    assert done.exit_code == 0
    assert "Nothing that authenticates by Negotiate, NTLM or Kerberos over HTTP was found." in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("10.1.1.1 sent 6 WinRM requests", "10.1.1.1 sent 6 requests"),
        ("2 of 3 WinRM connections in a.pcap", "2 of 3 connections in a.pcap"),
        ("A WinRM server asks for a logon", "A server asks for a logon"),
        ("Proxy 10.1.1.1 downgrades WinRM to HTTP/1.0", "Proxy 10.1.1.1 downgrades the web application to HTTP/1.0"),
        ("with the User-Agent Microsoft WinRM Client", "with the User-Agent Microsoft WinRM Client"),
        ("Python WinRM client on 10.1.1.1", "Python WinRM client on 10.1.1.1"),
    ],
)
def test_words(said: str, told: str) -> None:
    assert in_words(said) == told


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="WINRM_CAPTURES names no folder of captures")
@pytest.mark.parametrize(
    ("name", "logons", "rules"),
    [
        ("Pcap_Examples__HTTP_-_NTLM_GSSAPI.pcap", [("Susan", "accepted")], {"auth.ntlmv1"}),
        ("Pcap_Examples__Kerberos_v5_UDP_2.pcap", [("u1", "accepted")], {"auth.kerberos-weak-etype"}),
    ],
)
def test_public_captures_of_web_servers(name: str, logons: list[tuple[str, str]], rules: set[str]) -> None:
    case = analyzer.analyze(PUBLIC / name, scope=api.scope(negotiate=True))
    assert [(one.user, one.outcome.value) for one in case.evidence.story.logons] == logons
    assert {one.rule for one in case.result.findings} == rules
    assert {party.kind.value for party in case.evidence.story.parties} <= {"client", "server", "kdc"}
