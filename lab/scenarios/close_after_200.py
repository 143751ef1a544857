"""The proxy ends the client connection with the 200 that ends the handshake."""

from lab.scenario import Client, Proxy, Scenario

PYWINRM = Client("wks01", "pywinrm", {"username": "LAB\\alice", "commands": ["whoami"], "attempts": 2, "pause_s": 0.3})
FORBIDDEN = (
    "affinity.shared-authenticated-upstream",
    "affinity.handshake-split",
    "auth.credentials-refused",
    "enc.plaintext-soap-through-proxy",
    "attack.ntlm-relay",
)
OPEN = (
    "tcp.request-lost-after-auth",
    "auth.context-lost",
    "http.replayed-body",
    "affinity.context-mismatch",
    "enc.signature-invalid",
)
"""tcp.rst-after-2xx is open besides: the client's next request may reach the proxy after it closed, which answers with RST."""
CLOSE_NOTE = (
    "pywinrm then sends its sealed message on a new connection, is challenged, authenticates again and repeats the same"
    " bytes, sealed for the first session: the server cannot open them and answers 400."
)

SCENARIOS = (
    Scenario(
        name="badproxy-close-after-200",
        description="A proxy sends FIN to the client right after the 200 that ends the NTLM handshake; pywinrm, twice.",
        proxy=Proxy("badproxy", {"fault": "close-after-200"}, forward=True),
        phases=((PYWINRM,),),
        capture="any-sll2",
        expected_rules=("tcp.close-after-auth-2xx",),
        forbidden_rules=FORBIDDEN,
        open_rules=(*OPEN, "tcp.rst-after-2xx"),
        notes=CLOSE_NOTE,
    ),
    Scenario(
        name="badproxy-reset-after-200",
        description="A proxy sends RST to the client right after the 200 that ends the NTLM handshake; pywinrm, twice.",
        proxy=Proxy("badproxy", {"fault": "reset-after-200"}, forward=True),
        phases=((PYWINRM,),),
        capture="proxy-nsec",
        expected_rules=("tcp.rst-after-2xx",),
        forbidden_rules=FORBIDDEN,
        open_rules=(*OPEN, "tcp.close-after-auth-2xx"),
        notes="The next sealed message either meets the reset and never reaches the server (ConnectionResetError), or pywinrm has seen"
        " the reset first and sends it on a new connection, where it cannot be opened (400).",
    ),
    Scenario(
        name="squid-close-after-200",
        description="squid with client_persistent_connections off closes the client connection after the 200 that ends the NTLM handshake; pywinrm, twice.",
        proxy=Proxy("squid", {"extra": ("client_persistent_connections off",)}, forward=True),
        phases=((PYWINRM,),),
        capture="any-sll2",
        expected_rules=("tcp.close-after-auth-2xx",),
        forbidden_rules=FORBIDDEN,
        open_rules=(*OPEN, "tcp.rst-after-2xx"),
        notes=CLOSE_NOTE,
    ),
    Scenario(
        name="badproxy-healthy",
        description="The healthy twin: the same proxy program without a fault.",
        proxy=Proxy("badproxy", {"fault": "none"}, forward=True),
        phases=((PYWINRM,),),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=(*FORBIDDEN, "tcp.close-after-auth-2xx", "tcp.rst-after-2xx", "tcp.request-lost-after-auth"),
    ),
)
