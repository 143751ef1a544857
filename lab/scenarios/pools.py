"""More products that keep upstream connections and give one client's to the next: whole, and one side only."""

from lab import network
from lab.scenario import Client, Proxy, Scenario, Server, View
from lab.scenarios.nginx_pooled import ALICE, SEALED_ALICE, STRANGER
from lab.scenarios.sets import NO_FAULT

CLEAR = Server(allow_unencrypted=True)
NOT = (
    "affinity.handshake-split",
    "auth.loop",
    "auth.credentials-refused",
    "tcp.request-lost-after-auth",
    "attack.ntlm-relay",
)
SHARED = ("affinity.shared-authenticated-upstream", "enc.plaintext-soap-through-proxy", "enc.server-allows-unencrypted")
SEALED_BOB = Client("wks02", "pywinrm", {"username": "LAB\\bob", "commands": ["whoami"], "pause_s": 0.1})
UNKNOWN = ("enc.plaintext-soap-direct", "enc.plaintext-soap-through-proxy", "enc.server-allows-unencrypted")
KEPT = (*NO_FAULT, "enc.plaintext-soap-direct", "enc.plaintext-soap-through-proxy")
XFF = "X-Forwarded-For names alice's host first and wks02 afterwards, on one connection that only alice authenticated."
UNTOLD = "On this side alone wks02 is answered 200 without ever having authenticated; why cannot be told."
WHO = "alice authenticates with NTLM from wks01, then wks02 sends requests without credentials and is answered as alice"


def pooled(kind: str, options: dict[str, object], name: str, view: View = "whole", **changes: object) -> Scenario:
    side = {
        "whole": "",
        "server-side": ", recorded on the server's side only",
        "client-side": ", recorded on the clients' side only",
    }[view]
    client_side = view == "client-side"
    words: dict[str, object] = {
        "name": name,
        "description": f"{kind} keeps upstream connections: {WHO}{side}.",
        "server": CLEAR,
        "proxy": Proxy(kind, options),
        "phases": ((ALICE,), (STRANGER,)),
        "capture": "any-sll2",
        "view": view,
        "expected_rules": SHARED if view == "whole" else () if client_side else ("affinity.shared-authenticated-upstream",),
        "forbidden_rules": (*NOT, "attack.omigod"),
        "open_rules": () if view == "whole" else (*UNKNOWN, "affinity.shared-authenticated-upstream"),
        "notes": {"client-side": UNTOLD, "server-side": XFF}.get(view, ""),
    }
    return Scenario(**{**words, **changes})  # type: ignore[arg-type]


def healthy(kind: str, options: dict[str, object], name: str, **changes: object) -> Scenario:
    words: dict[str, object] = {
        "name": name,
        "description": f"The healthy twin: the same {kind} with one client only, encrypted messages.",
        "proxy": Proxy(kind, options),
        "phases": ((SEALED_ALICE,),),
        "capture": "any-sll2",
        "healthy": True,
        "forbidden_rules": KEPT,
    }
    return Scenario(**{**words, **changes})  # type: ignore[arg-type]


PREFIX: dict[str, object] = {"prefix": "/winrm", "host": "srv01.lab.example:5985"}


def _under(client: Client, **more: object) -> Client:
    return Client(client.host, client.action, {**client.options, "path": "/winrm/wsman", **more})


SCENARIOS = (
    pooled("varnish", {}, "varnish-pooled-second-client"),
    pooled("varnish", {}, "varnish-pooled-server-side", "server-side"),
    pooled("varnish", {}, "varnish-pooled-client-side", "client-side"),
    healthy("varnish", {}, "varnish-pool-healthy"),
    pooled(
        "caddy",
        PREFIX,
        "caddy-prefix-pooled",
        phases=((_under(ALICE),), (_under(STRANGER),)),
        description=f"Caddy takes the path prefix /winrm away, rewrites Host and adds X-Forwarded-For; it keeps upstream connections: {WHO}.",
    ),
    pooled(
        "caddy",
        PREFIX,
        "caddy-prefix-pooled-server-side",
        "server-side",
        phases=((_under(ALICE),), (_under(STRANGER),)),
    ),
    healthy("caddy", PREFIX, "caddy-prefix-healthy", phases=((_under(SEALED_ALICE),),)),
    pooled(
        "node",
        {"sockets": 1},
        "node-two-addresses-pooled",
        server=Server(),
        phases=(
            (SEALED_ALICE,),
            (Client("wks02", "pywinrm", {**SEALED_BOB.options, "host_name": network.SECOND_NAME}),),
        ),
        users=("alice", "bob"),
        description="npm's http-proxy with a pool of one upstream connection and two listening addresses: alice uses the first with encrypted"
        " messages, then bob the second, and his first request without credentials is answered on alice's connection.",
        expected_rules=("affinity.shared-authenticated-upstream",),
        forbidden_rules=(
            "affinity.handshake-split",
            "attack.omigod",
            "attack.ntlm-relay",
            "enc.plaintext-soap-through-proxy",
            "auth.token-altered",
        ),
        open_rules=(
            "auth.context-lost",
            "auth.idle-reauth",
            "affinity.foreign-request-rejected",
            "http.replayed-body",
            "auth.wrong-challenge-class",
        ),
    ),
    healthy("node", {"sockets": 1}, "node-pool-healthy"),
    pooled("h2o", {"keepalive_ms": 5000}, "h2o-pooled-second-client"),
    healthy("h2o", {"keepalive_ms": 5000}, "h2o-pool-healthy"),
    healthy(
        "haproxy",
        {"extra": ("option forwardfor",)},
        "haproxy-two-users-server-side-healthy",
        phases=((SEALED_ALICE, SEALED_BOB),),
        users=("alice", "bob"),
        view="server-side",
        description="Two users at once through haproxy, each on an upstream connection of their own, recorded on the server's side only.",
    ),
    pooled(
        "caddy",
        {},
        "caddy-kerberos-pooled",
        server=Server(schemes=("Kerberos",), allow_unencrypted=True),
        kerberos=True,
        phases=(
            (
                Client(
                    "wks01",
                    "pypsrp-winrs",
                    {
                        "username": "alice@LAB.EXAMPLE",
                        "auth": "kerberos",
                        "encryption": "never",
                        "commands": ["whoami"],
                    },
                ),
            ),
            (STRANGER,),
        ),
        description="Kerberos through Caddy, which keeps upstream connections: wks02 sends requests without credentials and is answered as alice.",
    ),
    healthy(
        "caddy",
        {},
        "caddy-kerberos-healthy",
        kerberos=True,
        phases=((Client("wks01", "pypsrp-winrs", {"username": "alice@LAB.EXAMPLE", "commands": ["whoami", "hostname"]}),),),
        description="Kerberos with encrypted messages through Caddy, one client.",
    ),
    healthy(
        "varnish",
        {},
        "varnish-kerberos-healthy",
        kerberos=True,
        phases=((Client("wks01", "pypsrp-winrs", {"username": "alice@LAB.EXAMPLE", "commands": ["whoami", "hostname"]}),),),
        description="Kerberos with encrypted messages through Varnish, one client.",
    ),
)
