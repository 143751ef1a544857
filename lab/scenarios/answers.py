"""What a server, its HTTP layer, or a gateway answers instead of what was asked for; with the healthy twins."""

from lab.scenario import Client, Proxy, Scenario, Server
from lab.scenarios.sets import NO_FAULT, NO_MIXUP

ONCE = {"username": "LAB\\alice", "auth": "ntlm", "commands": ["whoami"]}
SESSION = {"username": "LAB\\alice", "auth": "ntlm", "commands": ["whoami", "hostname"], "pause_s": 0.2}
NOT = (*NO_MIXUP, "auth.loop", "tcp.close-after-auth-2xx", "tcp.rst-after-2xx")
NO_PROXY = (
    "http.gateway-error",
    "proxy.unexpected",
    "proxy.credential-exposure",
    "enc.plaintext-soap-through-proxy",
    "http.policy-block",
)
PASSWORD = ("auth.credentials-refused",)
QUIET = (
    *NO_FAULT,
    "enc.plaintext-soap-direct",
    "enc.plaintext-soap-through-proxy",
    "http.policy-block",
    "http.non-wsman-reply",
)
PAGE = ("http.non-wsman-reply",)


def _direct(name: str, description: str, server: Server, *clients: Client, **changes: object) -> Scenario:
    words: dict[str, object] = {
        "name": name,
        "description": description,
        "server": server,
        "phases": tuple((client,) for client in clients or (Client("wks01", "pypsrp-winrs", ONCE),) * 2),
        "capture": "client-pcap",
        "forbidden_rules": (*NOT, *NO_PROXY, *PASSWORD),
        "open_rules": PAGE,
    }
    return Scenario(**{**words, **changes})  # type: ignore[arg-type]


def _asks(**options: object) -> Client:
    return Client("wks01", "pypsrp-winrs", {**ONCE, **options})


STALLED = Client(
    "wks01",
    "pypsrp-winrs",
    {**ONCE, "commands": ["ping -n 60 127.0.0.1"], "operation_timeout_s": 20, "read_timeout_s": 6},
)
THREE = tuple(Client(f"wks0{n}", "raw-probe", {"username": name, "auth": "basic", "times": 1}) for n, name in enumerate(("alice", "bob", "carol"), 1))
WAITS = {"username": "LAB\\alice", "auth": "ntlm", "operation_timeout_s": 8, "commands": ["ping -n 14 127.0.0.1"]}
GATEWAY = (*NO_MIXUP, "auth.credentials-refused", "auth.loop", "tcp.close-after-auth-2xx")
GAVE_UP = "{} gives a waiting Receive up after 3 s ({}) and answers {} with a page of its own; the client's OperationTimeout is 8 s."
NTLM_THREE = tuple(Client(f"wks0{n}", "pywinrm", {"username": f"LAB\\{name}", "commands": ["whoami"]}) for n, name in enumerate(("alice", "bob", "carol"), 1))
AFTER = (
    "http.gateway-timeout",
    "affinity.client-migrates",
    "tcp.longpoll-cut",
    "http.non-wsman-reply",
    "enc.plain-reply-to-sealed",
    "auth.context-lost",
    "tcp.response-truncated",
    "http.replayed-body",
)

SCENARIOS = (
    _direct(
        "server-404",
        "The path /wsmann does not exist on the server: HTTP.sys answers 404 before any logon.",
        Server(conduct={"pages": True}),
        _asks(path="/wsmann"),
        _asks(path="/wsmann"),
        expected_rules=("http.path-not-found",),
    ),
    _direct(
        "server-411",
        "A client that says nothing of the length of its empty POST: HTTP.sys answers 411.",
        Server(conduct={"wants_length": True}),
        Client("wks01", "raw-without-length", {"times": 3}),
        expected_rules=("http.length-required",),
    ),
    _direct(
        "server-413",
        "An encrypted Send larger than the server takes: 413 without a word of WS-Management.",
        Server(conduct={"body_limit_bytes": 6000}),
        _asks(commands=["whoami", "echo " + "y" * 7000]),
        expected_rules=("http.request-too-large",),
    ),
    _direct(
        "server-503",
        "The WinRM service is stopped after some requests: HTTP.sys itself answers 503 from then on.",
        Server(conduct={"stopped_after": 8}),
        _asks(commands=["whoami", "hostname"], pause_s=0.3),
        _asks(),
        expected_rules=("http.service-unavailable",),
    ),
    _direct(
        "server-400-header-too-long",
        "A token of 24 kB makes the request's header longer than HTTP.sys takes: 400 Request Too Long.",
        Server(conduct={"header_limit_bytes": 16384}),
        Client("wks01", "raw-long-header", {"times": 3, "bytes": 24000}),
        expected_rules=("http.request-header-too-long",),
    ),
    _direct(
        "server-400-invalid-hostname",
        "The server knows no listener for the Host that the client names: 400 Invalid Hostname.",
        Server(conduct={"hosts": ["srv01.lab.example"]}),
        _asks(host_name="10.20.2.20"),
        _asks(host_name="10.20.2.20"),
        expected_rules=("http.unknown-host-name",),
    ),
    _direct(
        "server-known-hostname-healthy",
        "The healthy twin: the same server asked by its name, header and body within its limits.",
        Server(
            conduct={
                "hosts": ["srv01.lab.example"],
                "header_limit_bytes": 16384,
                "body_limit_bytes": 500_000,
                "wants_length": True,
            }
        ),
        _asks(commands=["whoami", "hostname"]),
        healthy=True,
        forbidden_rules=QUIET,
    ),
    _direct(
        "basic-not-offered-direct",
        "The client sends Basic, which the server does not offer: 401 with Negotiate and Kerberos only.",
        Server(),
        Client("wks01", "pypsrp-winrs", {"username": "alice", "auth": "basic", "encryption": "never", "commands": []}),
        Client("wks01", "pypsrp-winrs", {"username": "alice", "auth": "basic", "encryption": "never", "commands": []}),
        expected_rules=("auth.basic-cleartext", "auth.scheme-not-offered"),
        open_rules=("enc.plaintext-soap-direct", *PAGE),
        notes="The password was not looked at: it is right. A finding may not tell to check it.",
    ),
    _direct(
        "ntlm-blocked-direct",
        "NTLM is blocked by policy: the server answers each NTLM negotiate message by its bare offers.",
        Server(conduct={"no_ntlm": True}),
        _asks(commands=[]),
        _asks(commands=[]),
        expected_rules=("auth.ntlm-blocked",),
        forbidden_rules=(*NOT[:-3], *NO_PROXY, *PASSWORD),
        open_rules=(*PAGE, "auth.loop"),
    ),
    _direct(
        "fault-access-denied",
        "bob's logon is accepted, but he may not make a shell: fault 5, Access is denied.",
        Server(conduct={"denied": ["bob"]}),
        _asks(username="LAB\\bob"),
        _asks(username="LAB\\bob"),
        _asks(),
        users=("alice", "bob"),
        expected_rules=("wsman.encrypted-errors",),
    ),
    _direct(
        "fault-shell-quota",
        "The user has as many shells as he may have: fault 2150859173.",
        Server(conduct={"shells_per_user": 1}),
        Client("wks01", "raw-probe", {"username": "LAB\\alice", "auth": "ntlm", "times": 3}),
        _asks(),
        expected_rules=("wsman.encrypted-errors",),
    ),
    _direct(
        "fault-shell-gone",
        "The shell was not used for 3 s, longer than its idle time: the next command gets fault 2150858843.",
        Server(conduct={"shell_idle_s": 2.0}),
        _asks(commands=["whoami", "hostname"], pause_s=3.0),
        expected_rules=("wsman.encrypted-errors",),
    ),
    _direct(
        "fault-envelope-too-large",
        "The output of a command does not fit into the envelope size that the client asks for: fault 2150858824.",
        Server(conduct={"honours_envelope": True}),
        _asks(commands=["whoami", "dir C:\\Logs"], max_envelope_bytes=3000),
        expected_rules=("wsman.encrypted-errors",),
    ),
    _direct(
        "fault-timed-out-healthy",
        "Receive ends with the fault TimedOut several times while a command runs, which is long polling.",
        Server(conduct={"shells_per_user": 3, "denied": ["bob"], "shell_idle_s": 60}),
        _asks(commands=["ping -n 14 127.0.0.1"], operation_timeout_s=1),
        healthy=True,
        forbidden_rules=(*QUIET, "tcp.longpoll-cut"),
    ),
    _direct(
        "client-gives-up",
        "The client's read time-out (6 s) is shorter than the OperationTimeout (20 s) that it asks for: it closes while a Receive waits, twice.",
        Server(),
        STALLED,
        STALLED,
        expected_rules=("tcp.client-gave-up",),
        open_rules=("tcp.longpoll-cut",),
    ),
    _direct(
        "client-waits-long-enough-healthy",
        "The healthy twin: the same command, and a client that waits longer than the OperationTimeout.",
        Server(),
        _asks(commands=["ping -n 14 127.0.0.1"], operation_timeout_s=10, read_timeout_s=15),
        healthy=True,
        forbidden_rules=QUIET,
    ),
    _direct(
        "server-never-answers",
        "The server reads a Command and never answers it; the client gives up after its OperationTimeout.",
        Server(conduct={"stalls": ["Command"]}, idle_limit_s=20.0),
        _asks(operation_timeout_s=4, read_timeout_s=6),
        open_rules=(*PAGE, "tcp.longpoll-cut"),
    ),
    *(
        Scenario(
            name=name,
            description=description,
            proxy=Proxy(kind, options),
            phases=((Client("wks01", "pypsrp-winrs", WAITS),),),
            capture="any-sll2",
            expected_rules=("http.gateway-error",),
            forbidden_rules=GATEWAY,
            open_rules=AFTER,
        )
        for name, kind, options, description in (
            (
                "nginx-504-waiting-receive",
                "nginx",
                {"keepalive": 1, "extra": ("proxy_read_timeout 3s;",)},
                GAVE_UP.format("nginx", "proxy_read_timeout", 504),
            ),
            (
                "haproxy-504-waiting-receive",
                "haproxy",
                {"extra": ("timeout server 3s",)},
                GAVE_UP.format("haproxy", "timeout server", 504),
            ),
            (
                "varnish-503-waiting-receive",
                "varnish",
                {"extra": (".first_byte_timeout = 3s;",)},
                GAVE_UP.format("Varnish", "first_byte_timeout", 503),
            ),
        )
    ),
    Scenario(
        name="haproxy-504-waiting-receive-client-side",
        description=GAVE_UP.format("haproxy", "timeout server", 504)[:-1] + ", recorded on the clients' side only.",
        proxy=Proxy("haproxy", {"extra": ("timeout server 3s",)}),
        phases=((Client("wks01", "pypsrp-winrs", WAITS),),),
        capture="any-sll2",
        view="client-side",
        expected_rules=("http.gateway-error",),
        forbidden_rules=GATEWAY,
        open_rules=AFTER,
    ),
    Scenario(
        name="haproxy-waiting-receive-healthy",
        description="The healthy twin: the same command through haproxy, whose time-outs are longer than the OperationTimeout.",
        proxy=Proxy("haproxy"),
        phases=((Client("wks01", "pypsrp-winrs", WAITS),),),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=QUIET,
    ),
    Scenario(
        name="caddy-502-server-down",
        description="Caddy cannot reach the server, whose port is closed: 502 without a body.",
        server=Server(down=True),
        proxy=Proxy("caddy"),
        phases=((_asks(commands=[]),), (_asks(commands=[]),)),
        capture="any-sll2",
        forbidden_rules=GATEWAY,
        open_rules=("tcp.service-unreachable", "http.gateway-error", "http.non-wsman-reply"),
        expected_rules=("http.gateway-error",),
    ),
    Scenario(
        name="nginx-gzip-healthy",
        description="nginx compresses the server's responses (gzip), and the client takes them: healthy, since encrypted bodies survive it.",
        proxy=Proxy("nginx", {"keepalive": 1, "extra": ("gzip on;", "gzip_types *;", "gzip_min_length 1;", "gzip_proxied any;")}),
        phases=((_asks(commands=["whoami", "dir C:\\Logs"]),),),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=QUIET,
    ),
    Scenario(
        name="badproxy-drop-length",
        description="A proxy drops Content-Length: 0 of the client's empty requests, and the server's HTTP layer answers 411.",
        server=Server(conduct={"wants_length": True}),
        proxy=Proxy("badproxy", {"fault": "drop-length"}, forward=True),
        phases=((_asks(commands=[]),), (_asks(commands=[]),)),
        capture="any-sll2",
        forbidden_rules=(*NOT, "auth.credentials-refused"),
        open_rules=(*PAGE, "http.gateway-error"),
        expected_rules=("http.content-length-dropped",),
    ),
    Scenario(
        name="badproxy-cut-request",
        description="A proxy sends on only the first 1460 bytes of a longer encrypted request and answers 502 itself: the rest never reached the server.",
        proxy=Proxy("badproxy", {"fault": "cut-request", "after_bytes": 1460}, forward=True),
        phases=((_asks(commands=["whoami", "echo " + "z" * 3000]),),),
        capture="any-sll2",
        forbidden_rules=(*NOT, "auth.credentials-refused"),
        open_rules=(*PAGE, "http.gateway-error", *AFTER),
    ),
    Scenario(
        name="badproxy-change-type",
        description="A proxy rewrites the Content-Type of encrypted bodies: the server cannot take them and refuses.",
        proxy=Proxy("badproxy", {"fault": "change-type"}, forward=True),
        phases=((_asks(commands=[]),),),
        capture="any-sll2",
        forbidden_rules=(*NOT, "auth.credentials-refused"),
        open_rules=(*PAGE, "auth.unencrypted-refused", "http.gateway-error", "auth.context-lost"),
        expected_rules=("http.content-type-changed",),
    ),
    Scenario(
        name="node-three-at-once-basic",
        description="Three clients with Basic start within some milliseconds through one upstream connection of npm's http-proxy: each is answered as itself.",
        server=Server(schemes=("Negotiate", "Basic"), allow_unencrypted=True),
        proxy=Proxy("node", {"sockets": 1}),
        phases=(THREE,),
        users=("alice", "bob", "carol"),
        capture="any-sll2",
        expected_rules=("auth.basic-cleartext",),
        forbidden_rules=NO_FAULT,
        open_rules=("enc.plaintext-soap-through-proxy", "enc.server-allows-unencrypted"),
        notes="Basic authenticates each request: one upstream connection for all is healthy.",
    ),
    Scenario(
        name="node-three-at-once-ntlm",
        description="Three clients with NTLM start within some milliseconds through one upstream connection of npm's http-proxy: their handshakes are mixed.",
        proxy=Proxy("node", {"sockets": 1}),
        phases=(NTLM_THREE,),
        users=("alice", "bob", "carol"),
        capture="any-sll2",
        forbidden_rules=("auth.token-altered", "attack.omigod", "enc.plaintext-soap-through-proxy"),
        open_rules=(
            "affinity.shared-authenticated-upstream",
            "affinity.handshake-interleaved",
            "affinity.handshake-split",
            "auth.context-lost",
            "auth.credentials-refused",
            "affinity.foreign-request-rejected",
            "attack.ntlm-relay",
            "auth.loop",
            "http.replayed-body",
            "auth.wrong-challenge-class",
        ),
    ),
)
