"""Healthy one-shot probes: a client that authenticates, sends one request and closes, many times, beside other users."""

from lab.scenario import Client, Proxy, Scenario, Server, View
from lab.scenarios.sets import NO_FAULT

PROBE = {"username": "LAB\\bob", "auth": "ntlm", "times": 6, "pause_s": 0.3}
SESSION = Client("wks02", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami", "hostname"], "pause_s": 0.4})
SEALED = (*NO_FAULT, "enc.plaintext-soap-direct", "enc.plaintext-soap-through-proxy")
NOTE = "The probe closes first, each time, after its only answer."


def _sealed(name: str, description: str, proxy: Proxy, *, last: bool = False, view: View = "whole") -> Scenario:
    probe = Client("wks01", "raw-probe", {**PROBE, **({"last": True} if last else {})})
    return Scenario(
        name=name,
        description=description,
        proxy=proxy,
        phases=((probe, SESSION),),
        users=("alice", "bob"),
        capture="any-sll2" if proxy.kind != "none" else "upstream-pcap",
        view=view,
        healthy=True,
        forbidden_rules=SEALED,
        notes=NOTE if not last else "The probe asks for the end of the connection in its last request; the server closes, as it was asked to.",
    )


SCENARIOS = (
    _sealed(
        "probes-direct-healthy",
        "A monitoring probe (NTLM, one encrypted request, close; six times) beside a user's session, without a proxy.",
        Proxy(),
    ),
    _sealed("probes-haproxy-healthy", "The same probe and user through haproxy with its defaults.", Proxy("haproxy")),
    _sealed("probes-squid-healthy", "The same probe and user through squid.", Proxy("squid", forward=True)),
    _sealed(
        "probes-close-direct-healthy",
        "A probe that asks for Connection: close, directly, beside a user's session.",
        Proxy(),
        last=True,
    ),
    _sealed(
        "probes-close-haproxy-healthy",
        "A probe that asks for Connection: close, through haproxy.",
        Proxy("haproxy"),
        last=True,
    ),
    _sealed(
        "probes-haproxy-server-side-healthy",
        "The probe and the user through haproxy (X-Forwarded-For), recorded on the server's side only.",
        Proxy("haproxy", {"extra": ("option forwardfor",)}),
        view="server-side",
    ),
    Scenario(
        name="probes-identify-healthy",
        description="A health check of a load balancer's kind: WS-Management Identify without credentials on a new connection each time,"
        " answered by the server's 401, beside a user's session.",
        phases=(
            (
                Client("wks01", "raw-probe", {"times": 8, "pause_s": 0.25, "last": True, "agent": "Health check"}),
                SESSION,
            ),
        ),
        capture="upstream-pcap",
        healthy=True,
        forbidden_rules=SEALED,
        open_rules=("enc.identify-anonymous",),
        notes="A 401 to a request without credentials is an answer: it shows that the listener lives, and refuses nobody.",
    ),
    Scenario(
        name="probes-basic-clear",
        description="A probe with Basic over clear HTTP, one request on each connection: the password is readable, the conduct is healthy.",
        server=Server(schemes=("Negotiate", "Basic"), allow_unencrypted=True),
        phases=((Client("wks01", "raw-probe", {"username": "bob", "auth": "basic", "times": 5, "pause_s": 0.3}), SESSION),),
        users=("alice", "bob"),
        capture="upstream-pcap",
        expected_rules=("auth.basic-cleartext",),
        forbidden_rules=NO_FAULT,
        open_rules=(
            "enc.plaintext-soap-direct",
            "enc.server-allows-unencrypted",
            "auth.scheme-downgrade",
            "enc.mixed-mode",
        ),
    ),
)
