"""Kerberos with what the client and its KDC say to each other: an alias without an SPN, and its twins."""

from lab.scenario import Client, Scenario

HEALTHY = (
    "auth.kdc-error",
    "auth.kerberos-error",
    "auth.kerberos-weak-etype",
    "auth.ticket-refused",
    "auth.credentials-refused",
    "auth.loop",
    "enc.plaintext-soap-direct",
)
ALIAS = "jump01.lab.example"

SCENARIOS = (
    Scenario(
        name="kdc-unknown-spn",
        description="pypsrp with Kerberos calls the server by an alias that has no SPN: the KDC gives no ticket, and the client gives up.",
        phases=((Client("wks01", "pypsrp-winrs", {"username": "alice@LAB.EXAMPLE", "auth": "kerberos", "commands": ["whoami"], "called": ALIAS}),),),
        kerberos=True,
        kdc_too=True,
        capture="client-pcap",
        expected_rules=("auth.kdc-error",),
        forbidden_rules=HEALTHY[1:],
    ),
    Scenario(
        name="kdc-unknown-spn-ntlm-instead",
        description="pypsrp with Negotiate calls the server by an alias that has no SPN: the KDC gives no ticket, and NTLM serves instead.",
        phases=((Client("wks01", "pypsrp-winrs", {"username": "alice@LAB.EXAMPLE", "auth": "negotiate", "commands": ["whoami"], "called": ALIAS}),),),
        kerberos=True,
        kdc_too=True,
        capture="client-pcap",
        healthy=True,
        expected_rules=("auth.kdc-error",),
        forbidden_rules=HEALTHY[1:],
        open_rules=("auth.scheme-downgrade",),
    ),
    Scenario(
        name="kdc-ticket-healthy",
        description="pypsrp with Kerberos calls the server by its own name: the KDC gives the ticket, which names the user without a key.",
        phases=((Client("wks01", "pypsrp-winrs", {"username": "alice@LAB.EXAMPLE", "auth": "kerberos", "commands": ["whoami"]}),),),
        kerberos=True,
        kdc_too=True,
        capture="client-pcap",
        healthy=True,
        forbidden_rules=HEALTHY,
        notes="http.keytab holds the service's key.",
    ),
    Scenario(
        name="kdc-forged-ticket",
        description=(
            "alice logs on with a ticket of the KDC; then bob's name is used with a ticket that the KDC never issued: RC4 under the service's own key, valid "
            "for ten years, as a forger makes it who has the hash of the service account."
        ),
        phases=(
            (Client("wks01", "pypsrp-winrs", {"username": "alice@LAB.EXAMPLE", "auth": "kerberos", "commands": ["whoami"]}),),
            (Client("wks01", "pypsrp-winrs", {"auth": "kerberos", "commands": ["whoami"], "ticket": True}),),
        ),
        kerberos=True,
        kdc_too=True,
        forged=True,
        capture="client-pcap",
        expected_rules=("attack.forged-ticket", "auth.kerberos-weak-etype"),
        forbidden_rules=tuple(rule for rule in HEALTHY if rule != "auth.kerberos-weak-etype"),
        notes="http.keytab holds the service's keys. MIT's own tools made the ticket, with a second KDC that is not on the wire.",
    ),
    Scenario(
        name="kdc-two-tickets-healthy",
        description="alice and then bob log on from one computer, each with a ticket of the KDC.",
        phases=tuple(
            (Client("wks01", "pypsrp-winrs", {"username": f"{user}@LAB.EXAMPLE", "auth": "kerberos", "commands": ["whoami"]}),) for user in ("alice", "bob")
        ),
        kerberos=True,
        kdc_too=True,
        capture="client-pcap",
        users=("alice", "bob"),
        healthy=True,
        forbidden_rules=(*HEALTHY, "attack.forged-ticket"),
        notes="http.keytab holds the service's key.",
    ),
)
