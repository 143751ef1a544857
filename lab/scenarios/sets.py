"""Rules that scenarios of several files must not raise."""

from lab.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = ()

NO_MIXUP = (
    "affinity.shared-authenticated-upstream",
    "affinity.handshake-split",
    "affinity.handshake-interleaved",
    "affinity.foreign-request-rejected",
    "attack.omigod",
    "attack.ntlm-relay",
    "auth.token-altered",
)
"""Nobody was served as somebody else, and no handshake was torn apart."""
NO_FAULT = (
    *NO_MIXUP,
    "affinity.client-migrates",
    "affinity.no-upstream-keepalive",
    "affinity.sequence-discontinuity",
    "affinity.context-mismatch",
    "auth.loop",
    "auth.context-lost",
    "auth.credentials-refused",
    "auth.reauth-per-request",
    "auth.challenge-stripped",
    "http.replayed-body",
    "http.desync-indicator",
    "http.gateway-error",
    "tcp.close-after-auth-2xx",
    "tcp.rst-after-2xx",
    "tcp.request-lost-after-auth",
    "tcp.response-truncated",
    "tcp.longpoll-cut",
    "tcp.idle-timeout",
    "tcp.retry-storm",
    "tcp.upstream-idle-close",
    "tcp.service-unreachable",
)
"""Nothing at all went wrong."""
