"""A server that runs requests without any credentials."""

from lab.scenario import Client, Scenario, Server

SCENARIOS = (
    Scenario(
        name="direct-omigod",
        description="curl sends Identify and Create without credentials to a server that treats them as root, as OMI did"
        " (CVE-2021-38647): both are answered 200.",
        server=Server(schemes=("Basic",), allow_unencrypted=True, anonymous=True),
        phases=((Client("wks03", "curl", {"requests": ["identify", "create"]}),),),
        users=(),
        capture="client-pcap",
        expected_rules=("attack.omigod", "enc.plaintext-soap-direct"),
        forbidden_rules=("affinity.shared-authenticated-upstream", "auth.credentials-refused", "auth.loop", "attack.ntlm-relay"),
        open_rules=("enc.server-allows-unencrypted",),
        notes="Only the missing authentication is modelled: the real attack went to OMI's own resource URIs.",
    ),
)
