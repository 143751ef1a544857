"""The table of products: no advice names one that is not in it, every setting has its document, and a finding names the product that was seen."""

import importlib
import re
from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.errors import UsageError
from analyzer.rules.catalogue import Rule
from analyzer.rules.products import PAST_DOCUMENT, PRODUCTS, Advice, Setting, Topic, known_product, product_named, seen_on, with_setting
from tests.build.talk_http import ABSOLUTE, WSMAN, post, reply
from tests.build.talk_proxy import Hop, direct, far_leg, forwarded, near_leg, proxied, trip
from tests.build.talks import Wire
from tests.rules.judging import Judged, judge, judge_files
from tests.rules.test_conformance import EVERY_RULE, SAMPLES

NAMES = {product.name for product in PRODUCTS}
CLIENTS = {"pypsrp", "pywinrm", "requests-kerberos", "curl", ".NET", "Ansible", "WinRM clients"}
"""Programs at the other end, whose settings advice names as well."""
WORDS = {"clients", "a larger buffer", "on the way"}
"""What stands before a colon and is no program."""
ELSEWHERE = re.compile(
    r"\b(?:squid|nginx|haproxy|apache|httpd|iis|arr|f5|big-?ip|azure|aws|elb|google|gcp|varnish|envoy|traefik|tinyproxy|privoxy|mitmproxy|http-proxy|citrix"
    r"|netscaler|kemp|zscaler|blue ?coat|caddy|yarp|cntlm|forefront|tmg|barracuda|fortigate|palo alto)\b",
    re.IGNORECASE,
)
SETTINGS = [(topic, product.name, setting) for topic in Topic for product, setting in with_setting(topic)]


@EVERY_RULE
def test_advice_names_no_product_that_is_not_in_the_table(rule: Rule) -> None:
    own = importlib.import_module(rule.module)
    told = own.OPINION.advice if hasattr(own, "OPINION") else own.ADVICE
    advice = told.text if isinstance(told, Advice) else told if isinstance(told, str) else ""
    known = " ".join(NAMES).lower()
    assert [word for word in ELSEWHERE.findall(advice) if word.lower() not in known] == []
    labels = re.findall(r"[(;] ?([A-Z.a-z][\w. -]{1,30}?): ", advice)
    assert set(labels) <= NAMES | CLIENTS | WORDS, labels


@pytest.mark.parametrize(("topic", "name", "setting"), SETTINGS, ids=lambda one: str(one) if not isinstance(one, Setting) else "")
def test_a_setting_has_its_document_and_the_rule_book_links_it(topic: Topic, name: str, setting: Setting) -> None:
    assert re.fullmatch(r"https?://[\w./#-]+", setting.document)
    assert not setting.text.endswith(".")
    book = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    assert f"- {name}: [{setting.text}]({setting.document})" in book
    assert topic.value[1:] in book
    assert PAST_DOCUMENT in book


def test_every_topic_has_a_product_and_every_product_a_topic() -> None:
    assert {topic for topic, _, _ in SETTINGS} == set(Topic)
    assert {name for _, name, _ in SETTINGS} == NAMES


HOW = Advice("Keep it open", Topic.KEEP, "Or not.")


def test_the_advice_names_no_product() -> None:
    assert HOW.text == "Keep it open. Or not."
    assert Advice("Keep it open", Topic.KEEP, past=True).text == "Keep it open. Or let the client go past the proxy."


def through(lan: Wire, *, via: str = "1.1 proxy", server: str | None = None, powered: str | None = None) -> Hop:
    back = reply(200)
    if server is not None:
        back = back.without("Server").plus(("Server", server))
    if powered is not None:
        back = back.plus(("X-Powered-By", powered))
    onward = forwarded(post(ABSOLUTE)).without("Via").plus(("Via", via))
    return proxied(near_leg(lan), far_leg(lan), post(ABSOLUTE), reply(200), onward=onward, back=back)


def name_on(judged: Judged, *connections: str) -> str | None:
    found = seen_on(judged.evidence, connections)
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"via": "1.1 gate (squid/5.7)"}, "squid"),
        ({"via": "1.0 gate (tinyproxy/1.11.1)"}, "tinyproxy"),
        ({"via": "1.1 google"}, "Google Cloud load balancers"),
        ({"server": "nginx/1.22.1"}, "nginx"),
        ({"server": "Apache/2.4.57 (Debian)"}, "Apache"),
        ({"server": "awselb/2.0"}, "AWS load balancers"),
        ({"server": "Microsoft-Azure-Application-Gateway/v2"}, "Azure Application Gateway"),
        ({"server": "BigIP"}, "F5 BIG-IP"),
        ({"powered": "ARR/3.0"}, "IIS ARR"),
        ({}, None),
        ({"server": "Microsoft-IIS/10.0"}, None),
    ],
)
def test_products_by_what_they_write(fields: dict[str, str], name: str | None) -> None:
    lan = Wire()
    through(lan, **fields)
    assert name_on(judge(lan), "c1", "c2") == name
    if "via" in fields:
        assert name_on(judge(lan), "c1") == name


def test_a_connection_without_exchanges() -> None:
    lan = Wire()
    trip(direct(lan), post(WSMAN), reply(200))
    assert name_on(judge(lan), "c9") is None


def test_findings_of_a_sample_name_its_product() -> None:
    nginx = judge_files([SAMPLES / "nginx-http10-split" / "capture.pcap"]).one("affinity.handshake-split")
    assert nginx.settings[0].text.startswith("ntlm and keepalive")
    assert not re.search("nginx|squid", nginx.advice)
    assert "New-PSSessionOption -ProxyAccessType NoProxyServer" in {setting.text for setting in nginx.settings}
    haproxy = judge_files([SAMPLES / "haproxy-http-server-close" / "capture.pcap"]).one("affinity.handshake-split")
    assert "squid" not in haproxy.advice
    assert haproxy.settings
    names = [setting.product for setting in haproxy.settings]
    assert {"squid", "nginx", "haproxy", "Apache", "F5 BIG-IP", "Azure Application Gateway", "AWS load balancers"} <= set(names)
    assert not any(setting.seen for setting in haproxy.settings)
    assert [setting.product for setting in nginx.settings if setting.seen] == ["nginx"] == [nginx.settings[0].product]


@pytest.mark.parametrize(
    ("typed", "name"),
    [("nginx", "nginx"), ("NGINX", "nginx"), ("arr", "IIS ARR"), ("big-ip", "F5 BIG-IP"), ("f5", "F5 BIG-IP"), ("azure", None), ("", None), ("x", None)],
)
def test_a_product_is_named_as_people_write_it(typed: str, name: str | None) -> None:
    found = product_named(typed)
    assert (None if found is None else found.name) == name


def test_a_product_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageError, match="no settings for a proxy product 'quagga'; the products are squid, nginx, "):
        known_product("quagga")


def test_the_product_that_the_user_names_is_advised() -> None:
    captures = [str(SAMPLES / "nginx-http10-split" / "capture.pcap")]
    own = next(one for one in analyze(captures, proxy="haproxy").result.findings if one.rule == "affinity.handshake-split")
    assert own.settings[0].text.startswith("http-reuse never")
    assert (own.settings[0].product, own.settings[0].seen, own.settings[1].seen) == ("haproxy", True, False)
