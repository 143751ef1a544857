"""A healthy sample next to each of its broken twins: the first difference is the cause. The finding that `compare` names first is one that the twin's truth
expects, or the twin's first incident, which its diagnosis begins with."""

import json
from functools import cache
from pathlib import Path

import pytest

import analyzer

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
TWINS = {
    "apache-pool-healthy": "apache-disablereuse apache-pooled-second-client",
    "badproxy-healthy": """
        badproxy-change-type badproxy-close-after-200 badproxy-cut-request badproxy-drop-length badproxy-gateway-502 badproxy-gateway-504
        badproxy-merge-challenge badproxy-rechunk-requests badproxy-reset-after-200 badproxy-strip-challenge badproxy-truncate badproxy-reauth
        badproxy-swap-sealed badproxy-swap-clear
    """,
    "badproxy-request-lost-twin-healthy": "badproxy-request-lost",
    "caddy-kerberos-healthy": "caddy-kerberos-pooled",
    "caddy-prefix-healthy": "caddy-prefix-pooled caddy-502-server-down",
    "client-waits-long-enough-healthy": "client-gives-up",
    "direct-cim-healthy": "squid-cim-changes",
    "direct-event-forwarding-healthy": "direct-event-forwarding-lost-ack",
    "direct-ntlm-healthy": """
        wrong-password ntlm-blocked-direct direct-unencrypted-refused service-not-listening-direct syn-dropped-by-firewall icmp-host-unreachable
        icmp-prohibited-by-router server-400-header-too-long server-404 server-411 server-413 server-503 server-never-answers basic-not-offered-direct
        http-to-5986
        fault-access-denied fault-envelope-too-large fault-shell-gone fault-shell-quota
    """,
    "h2o-pool-healthy": "h2o-pooled-second-client h2o-split",
    "h2o-upstream-busy-healthy": "h2o-upstream-idle",
    "nghttpx-pool-healthy": "nghttpx-pooled-second-client",
    "haproxy-ntlm-healthy": "haproxy-http-server-close haproxy-kerberos-reuse-always",
    "haproxy-waiting-receive-healthy": "haproxy-504-waiting-receive haproxy-idle-close",
    "https-basic-direct": "https-basic-intercepted",
    "https-direct": """
        https-intercepted-by-proxy tls-certificate-expired tls-version-refused tls-reset-at-hello tls-client-certificate-missing
        tls-certificate-self-signed-13 https-to-5985
    """,
    "kdc-ticket-healthy": "kdc-unknown-spn",
    "kdc-two-tickets-healthy": "kdc-forged-ticket",
    "long-pause-healthy": "firewall-forgets-reset firewall-forgets-silently",
    "nginx-pooled-single-client-healthy": "nginx-pooled-second-client",
    "nginx-upstream-busy-healthy": "nginx-upstream-idle nginx-upstream-idle-close",
    "node-pool-healthy": "node-split node-two-addresses-pooled",
    "proxy-header-v1-http-healthy": "proxy-header-not-expected",
    "server-known-hostname-healthy": "server-400-invalid-hostname",
    "small-mtu-told-healthy": "mtu-black-hole-direct",
    "socks5-healthy": "socks5-server-down socks5-password",
    "squid-ntlm-healthy": """
        squid-close-after-200 squid-connection-auth-off squid-policy-block squid-server-down nginx-http10-split lighttpd-split privoxy-split tinyproxy-close
        trafficserver-split
    """,
    "tls12-direct-healthy": "tls-certificate-self-signed-12 tls-certificate-expired",
    "two-pinning-proxies-healthy": "pinning-before-splitting splitting-before-pinning",
    "two-products-one-host-healthy": "two-products-one-host",
    "varnish-pool-healthy": "varnish-pooled-second-client",
    "varnish-upstream-busy-healthy": "varnish-upstream-idle",
    "waiting-receive-healthy": "router-resets-waiting-receive varnish-503-waiting-receive nginx-504-waiting-receive",
}
"""Each healthy sample with the broken ones that differ from it in one thing: the product's own healthy form, or the same client without the fault."""
PAIRS = [(healthy, broken) for healthy, names in TWINS.items() for broken in names.split()]
SEVERE = {"low", "medium", "high", "critical"}


@cache
def case(name: str) -> analyzer.Case:
    return analyzer.analyze([str(path) for path in sorted((SAMPLES / name).glob("*.pcap*"))])


def truth(name: str) -> dict[str, object]:
    told: dict[str, object] = json.loads((SAMPLES / name / "truth.json").read_text(encoding="utf-8"))
    return told


@pytest.mark.parametrize(("healthy", "broken"), PAIRS, ids=[f"{healthy}-{broken}" for healthy, broken in PAIRS])
def test_the_first_difference_is_the_cause(healthy: str, broken: str) -> None:
    made = case(healthy).compare(case(broken))
    assert made.result.first is not None
    expected = truth(broken)["expected_rules"]
    assert isinstance(expected, list)
    first = next((row["rule"] for row in case(broken).listed("incidents") if row["severity"] in SEVERE and not row["explained_by"]), None)
    named = [one for one in made.result.named if one.case == "B"]
    assert named, made.verdict
    assert named[0].rule in {*expected, first}, made.verdict
    assert named[0].title.rstrip(".") in made.verdict


def test_every_healthy_twin_is_healthy_and_the_others_are_not() -> None:
    for healthy, broken in PAIRS:
        told = {row["severity"] for row in case(broken).listed("incidents")}
        assert SEVERE & told, broken
        assert not truth(broken).get("healthy"), broken
        assert truth(healthy).get("healthy"), healthy


def test_broken_samples_without_a_twin_are_known() -> None:
    """A new broken sample belongs next to its healthy twin."""
    broken = {
        path.parent.name for path in SAMPLES.glob("*/truth.json") if not truth(path.parent.name).get("healthy") and truth(path.parent.name)["expected_rules"]
    }
    assert broken - {name for _, name in PAIRS} <= WITHOUT_A_TWIN


WITHOUT_A_TWIN = frozenset(
    """
    caddy-prefix-pooled-server-side curl-expect-negotiate curl-expect-ntlm direct-basic direct-omigod direct-password-spray
    firewall-forgets-reset-both-sides haproxy-504-waiting-receive-client-side identical-requests-ambiguous nghttpx-pooled-server-side
    node-three-at-once-basic
    pipelined-requests probes-basic-clear px-before-squid-proxyauth router-resets-waiting-receive-client-side squid-connect-clear-http
    squid-connect-proxyauth-ntlm squid-negotiate-unencrypted squid-proxyauth-basic tls-ended-stunnel-clear varnish-pooled-server-side
    """.split()  # noqa: SIM905  a list of so many words is easier to read so
)
"""Views of one side only, of samples that have a twin; and samples whose finding is about what the client does everywhere: nothing is broken in them."""
