"""What works beside what fails: for each broken sample and its healthy twin the first difference leads to the finding that tells the cause."""

from functools import cache
from pathlib import Path

import pytest

import analyzer
from analyzer.case.analyzed import Case

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
TWINS = {
    "badproxy-healthy": (
        *("badproxy-change-type", "badproxy-close-after-200", "badproxy-cut-request", "badproxy-drop-length", "badproxy-gateway-502", "badproxy-gateway-504"),
        *("badproxy-merge-challenge", "badproxy-reauth", "badproxy-rechunk-requests", "badproxy-request-lost", "badproxy-reset-after-200"),
        *("badproxy-strip-challenge", "badproxy-swap-clear", "badproxy-swap-sealed", "badproxy-truncate"),
    ),
    "badproxy-request-lost-twin-healthy": ("badproxy-request-lost",),
    "haproxy-ntlm-healthy": ("haproxy-http-server-close", "haproxy-idle-close", "haproxy-split-client-side"),
    "haproxy-waiting-receive-healthy": ("haproxy-504-waiting-receive", "haproxy-504-waiting-receive-client-side"),
    "h2o-pool-healthy": ("h2o-pooled-second-client", "h2o-split", "h2o-upstream-idle"),
    "nghttpx-pool-healthy": ("nghttpx-pooled-second-client",),
    "varnish-pool-healthy": ("varnish-pooled-second-client", "varnish-pooled-client-side", "varnish-upstream-idle", "varnish-503-waiting-receive"),
    "nginx-pooled-single-client-healthy": ("nginx-pooled-second-client", "nginx-http10-split", "nginx-upstream-idle", "nginx-504-waiting-receive"),
    "caddy-prefix-healthy": ("caddy-prefix-pooled", "caddy-502-server-down"),
    "caddy-kerberos-healthy": ("caddy-kerberos-pooled",),
    "node-pool-healthy": ("node-split",),
    "apache-pool-healthy": ("apache-pooled-second-client", "apache-disablereuse"),
    "squid-ntlm-healthy": (
        *("squid-close-after-200", "squid-connection-auth-off", "squid-policy-block", "squid-server-down", "tinyproxy-close", "privoxy-split"),
    ),
    "tls12-direct-healthy": ("tls-certificate-expired", "tls-reset-at-hello", "tls-version-refused", "tls-certificate-self-signed-12"),
    "direct-ntlm-healthy": (
        *("wrong-password", "ntlm-blocked-direct", "server-400-header-too-long", "server-404", "server-503", "server-411", "server-413", "fault-access-denied"),
        *("server-never-answers", "service-not-listening-direct", "syn-dropped-by-firewall", "http-to-5986", "icmp-host-unreachable"),
        *("direct-unencrypted-refused", "basic-not-offered-direct", "mtu-black-hole-direct"),
    ),
    "waiting-receive-healthy": ("router-resets-waiting-receive",),
    "long-pause-healthy": ("firewall-forgets-reset", "firewall-forgets-silently"),
    "socks5-healthy": ("socks5-server-down",),
    "two-products-one-host-healthy": ("two-products-one-host",),
    "kdc-ticket-healthy": ("kdc-unknown-spn",),
}
"""The twins that the samples' names and ORIGIN.md make: the same client and path, and what is broken."""


@cache
def case(name: str) -> Case:
    return analyzer.analyze([str(path) for path in sorted((SAMPLES / name).glob("*.pcap*"))])


@pytest.mark.parametrize(("healthy", "broken"), [(healthy, broken) for healthy, twins in TWINS.items() for broken in twins])
def test_the_first_difference_is_the_cause(healthy: str, broken: str) -> None:
    made = case(healthy).compare(case(broken)).result
    rows = [row for row in case(broken).listed("findings") if row["severity"] != "info"]
    worst = next(row["severity"] for row in rows)
    told = {row["rule"] for row in rows if row["severity"] == worst} | {row["rule"] for row in rows if row["severity"] in ("critical", "high", "medium")}
    assert made.first is not None
    assert made.named, made.verdict
    assert (made.named[0].case, made.named[0].rule in told) == ("B", True), (made.verdict, told)


def test_there_are_enough() -> None:
    assert sum(map(len, TWINS.values())) >= 70
