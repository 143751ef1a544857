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
)
