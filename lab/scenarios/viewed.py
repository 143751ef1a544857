"""Healthy sessions of which the capture shows less than happened (lab/views.py)."""

from lab.scenario import Client, Proxy, Scenario

NO_FAULT = (
    "affinity.shared-authenticated-upstream",
    "affinity.handshake-split",
    "affinity.client-migrates",
    "affinity.no-upstream-keepalive",
    "affinity.sequence-discontinuity",
    "auth.loop",
    "auth.context-lost",
    "auth.credentials-refused",
    "auth.challenge-stripped",
    "auth.reauth-per-request",
    "http.replayed-body",
    "http.desync-indicator",
    "tcp.close-after-auth-2xx",
    "tcp.rst-after-2xx",
    "tcp.request-lost-after-auth",
    "tcp.response-truncated",
    "enc.plaintext-soap-direct",
    "enc.plaintext-soap-through-proxy",
    "attack.omigod",
    "attack.ntlm-relay",
)
SESSION = {"username": "LAB\\alice", "commands": ["whoami", "ipconfig /all", "dir C:\\Logs"], "pause_s": 0.1}
SLOW = {**SESSION, "commands": ["whoami", "hostname", "ver", "whoami", "ipconfig /all", "hostname"], "pause_s": 0.7}

SCENARIOS = (
    Scenario(
        name="snaplen-96",
        description="A direct session recorded with a snap length of 96: start lines, no headers.",
        phases=((Client("wks01", "pywinrm", SESSION),),),
        capture="client-pcap",
        view="snap-96",
        healthy=True,
        forbidden_rules=NO_FAULT,
    ),
    Scenario(
        name="snaplen-400",
        description="A direct session recorded with a snap length of 400: most headers, no bodies.",
        phases=((Client("wks01", "pywinrm", SESSION),),),
        capture="client-pcap",
        view="snap-400",
        healthy=True,
        forbidden_rules=NO_FAULT,
    ),
    Scenario(
        name="midstream-start",
        description="NTLM through squid; the recording began after the handshake, in the middle of the session.",
        proxy=Proxy("squid", forward=True),
        phases=((Client("wks01", "pywinrm", SLOW),),),
        capture="any-sll2",
        view="midstream",
        healthy=True,
        forbidden_rules=NO_FAULT,
    ),
    Scenario(
        name="rotated-files",
        description="A direct session recorded into a new file after every 36 packets: each goes on where the last ended.",
        phases=((Client("wks01", "pypsrp-winrs", {**SESSION, "auth": "ntlm"}),),),
        capture="client-pcap",
        view="rotated",
        healthy=True,
        forbidden_rules=NO_FAULT,
    ),
    Scenario(
        name="lost-by-the-capture",
        description="A direct session of which the capture lost one packet in sixty; the endpoints lost none.",
        phases=((Client("wks01", "pypsrp-winrs", {**SESSION, "auth": "ntlm", "commands": SESSION["commands"] * 3}),),),
        capture="client-pcap",
        view="lost-packets",
        healthy=True,
        forbidden_rules=NO_FAULT,
    ),
    Scenario(
        name="two-legs-clock-drift",
        description="NTLM through squid, one file per leg; the clock of leg-b.pcap is 3.2 s ahead and runs 0.2 % fast.",
        proxy=Proxy("squid", forward=True),
        phases=((Client("wks01", "pywinrm", {**SLOW, "pause_s": 0.9}),),),
        capture="two-pcaps",
        view="drift",
        healthy=True,
        forbidden_rules=NO_FAULT,
        notes="The drift is as much in ten seconds as a clock that runs 50 ppm fast gathers in seven minutes.",
    ),
)
