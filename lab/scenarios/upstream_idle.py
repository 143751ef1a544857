"""A proxy drops its idle upstream connection under a living client, whose next message meets a new connection."""

from lab.scenario import Client, Proxy, Scenario
from lab.scenarios.sets import NO_FAULT, NO_MIXUP
from lab.scenarios.slow_and_odd import AFTER_IDLE

PAUSES = Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami", "hostname"], "pause_s": 3.0})
BUSY = Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami", "hostname", "ver"], "pause_s": 0.4})
NOT = (
    *NO_MIXUP,
    "auth.credentials-refused",
    "auth.loop",
    "tcp.close-after-auth-2xx",
    "tcp.rst-after-2xx",
)


def _dropped(kind: str, options: dict[str, object], name: str, how: str) -> tuple[Scenario, Scenario]:
    first = Scenario(
        name=f"{name}-upstream-idle",
        description=f"{how} closes its upstream connection after about 1 s without traffic, the client pauses for 3 s and goes on on its own connection.",
        proxy=Proxy(kind, options),
        phases=((PAUSES,),),
        capture="any-sll2",
        forbidden_rules=NOT,
        open_rules=(
            *(rule for rule in AFTER_IDLE if rule not in NOT),
            "tcp.request-lost-after-auth",
            "http.encrypted-body-refused",
            "tcp.upstream-idle-close",
        ),
        notes="The proxy closes first, not the server and not the client.",
    )
    twin = Scenario(
        name=f"{name}-upstream-busy-healthy",
        description=f"The healthy twin: the same configuration of {how}, and a client that never pauses so long.",
        proxy=Proxy(kind, options),
        phases=((BUSY,),),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=NO_FAULT,
    )
    return first, twin


SCENARIOS = (
    *_dropped(
        "nginx",
        {"keepalive": 1, "pool": ("keepalive_timeout 1s;",)},
        "nginx",
        "nginx with keepalive_timeout 1s in its upstream block",
    ),
    *_dropped("varnish", {"idle_s": 1}, "varnish", "Varnish with backend_idle_timeout 1"),
    *_dropped("h2o", {"keepalive_ms": 1000}, "h2o", "h2o with proxy.timeout.keepalive 1000"),
)
