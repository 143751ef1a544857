"""The bad proxy mixes up, drops or damages upstream traffic."""

from lab.scenario import Client, Proxy, Scenario, Server


def _both(encryption: str) -> tuple[Client, ...]:
    options = {"encryption": encryption, "commands": ["whoami", "hostname", "whoami"], "pause_s": 0.6}
    return (
        Client("wks01", "pywinrm", {"username": "LAB\\alice", **options}),
        Client("wks02", "pywinrm", {"username": "LAB\\bob", "delay_s": 0.2, **options}),
    )


SCENARIOS = (
    Scenario(
        name="badproxy-swap-clear",
        description="A proxy swaps the upstream connections of alice and bob once both are authenticated; messages are in"
        " the clear, so each runs commands as the other.",
        server=Server(allow_unencrypted=True),
        proxy=Proxy("badproxy", {"fault": "swap"}, forward=True),
        phases=(_both("never"),),
        users=("alice", "bob"),
        capture="proxy-pcapng",
        expected_rules=("affinity.shared-authenticated-upstream", "enc.plaintext-soap-through-proxy"),
        forbidden_rules=("affinity.handshake-split", "auth.credentials-refused", "tcp.close-after-auth-2xx"),
        open_rules=("affinity.client-migrates", "enc.server-allows-unencrypted"),
        notes="The lab's server lets any user use any shell; Windows would refuse the other user's shell.",
    ),
    Scenario(
        name="badproxy-swap-sealed",
        description="The same swap with sealed messages: each message arrives in the other user's session, where it cannot be opened, and is answered 400.",
        proxy=Proxy("badproxy", {"fault": "swap"}, forward=True),
        phases=(_both("auto"),),
        users=("alice", "bob"),
        capture="any-sll2",
        expected_rules=("affinity.foreign-request-rejected",),
        forbidden_rules=("affinity.handshake-split", "auth.credentials-refused", "enc.plaintext-soap-through-proxy"),
        open_rules=(
            "affinity.client-migrates",
            "affinity.context-mismatch",
            "affinity.shared-authenticated-upstream",
            "affinity.sequence-discontinuity",
            "enc.signature-invalid",
        ),
    ),
    Scenario(
        name="badproxy-reauth",
        description="A proxy closes its upstream connection after each message, so that the client has to authenticate"
        " again for every request; clear SOAP, everything succeeds slowly.",
        server=Server(allow_unencrypted=True),
        proxy=Proxy("badproxy", {"fault": "close-upstream"}, forward=True),
        phases=(
            (
                Client(
                    "wks01",
                    "pywinrm",
                    {"username": "LAB\\alice", "encryption": "never", "commands": ["whoami", "hostname", "ver"]},
                ),
            ),
        ),
        capture="any-sll2",
        expected_rules=("auth.reauth-per-request", "enc.plaintext-soap-through-proxy"),
        forbidden_rules=(
            "affinity.shared-authenticated-upstream",
            "affinity.handshake-split",
            "auth.credentials-refused",
            "auth.loop",
        ),
        open_rules=("affinity.client-migrates", "tcp.close-after-auth-2xx", "enc.server-allows-unencrypted"),
    ),
    Scenario(
        name="badproxy-strip-challenge",
        description="A proxy removes WWW-Authenticate from the server's 401: the client has nothing to answer.",
        proxy=Proxy("badproxy", {"fault": "strip-challenge"}, forward=True),
        phases=((Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": []}),),),
        capture="proxy-nsec",
        expected_rules=("auth.challenge-stripped",),
        forbidden_rules=("affinity.handshake-split", "auth.credentials-refused", "auth.loop"),
        open_rules=("auth.wrong-challenge-class",),
    ),
    Scenario(
        name="badproxy-truncate",
        description="A proxy cuts the first long response in the middle and resets the client connection.",
        proxy=Proxy("badproxy", {"fault": "truncate", "after_bytes": 2600}, forward=True),
        phases=((Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami", "dir C:\\Logs"]}),),),
        capture="any-sll2",
        expected_rules=("tcp.response-truncated",),
        forbidden_rules=(
            "affinity.handshake-split",
            "affinity.shared-authenticated-upstream",
            "auth.credentials-refused",
            "tcp.close-after-auth-2xx",
        ),
        open_rules=("tcp.rst-after-2xx", "http.replayed-body", "auth.context-lost"),
    ),
)
