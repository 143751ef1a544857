"""What comes before HTTP or without its knowledge: SOCKS, PROXY headers, redirection."""

from lab.scenario import Client, Device, Proxy, Scenario, Server
from lab.scenarios.sets import NO_FAULT

SESSION = {"username": "LAB\\alice", "commands": ["whoami", "hostname"], "pause_s": 0.1}
SOCKS5 = Client("wks01", "pypsrp-winrs", {**SESSION, "auth": "ntlm", "proxy_scheme": "socks5h"})
SOCKS5_ADDRESS = Client("wks01", "pypsrp-winrs", {**SESSION, "auth": "ntlm", "proxy_scheme": "socks5"})
SOCKS4A = Client("wks02", "raw-probe", {"username": "LAB\\bob", "auth": "ntlm", "times": 3, "socks4a": True})
PLAIN = Client("wks01", "pywinrm", SESSION)
QUIET = (*NO_FAULT, "enc.plaintext-soap-direct", "enc.plaintext-soap-through-proxy", "http.non-wsman-reply")
TO_SERVER = Server(conduct={"proxy_header": True})

SCENARIOS = (
    Scenario(
        name="socks5-healthy",
        description="pypsrp through a SOCKS 5 server (microsocks) that wants no password; the client leaves the name to it.",
        proxy=Proxy("microsocks", forward=True),
        phases=((SOCKS5,),),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=QUIET,
        notes="The destination stands in the SOCKS request: srv01.lab.example:5985.",
    ),
    Scenario(
        name="socks5-password",
        description="pypsrp through a SOCKS 5 server that wants a password, which the client sends in clear (RFC 1929).",
        proxy=Proxy("microsocks", {"password": True}, forward=True),
        phases=((Client("wks01", "pypsrp-winrs", {**SOCKS5.options, "proxy_user": "proxyuser"}),),),
        capture="any-sll2",
        expected_rules=("proxyauth.socks-password-cleartext",),
        forbidden_rules=QUIET,
        notes="Name and password of the SOCKS user (proxyuser) can be read; the WinRM session is healthy.",
    ),
    Scenario(
        name="socks5-server-down",
        description="The SOCKS server cannot connect to the destination, whose port 5985 is closed: its reply is 5, connection refused.",
        server=Server(down=True),
        proxy=Proxy("microsocks", forward=True),
        phases=((Client("wks01", "pypsrp-winrs", {**SOCKS5.options, "commands": []}),),),
        capture="any-sll2",
        expected_rules=("proxy.socks-refused",),
        forbidden_rules=tuple(rule for rule in QUIET if rule != "tcp.service-unreachable"),
        open_rules=("tcp.service-unreachable",),
        notes="No WinRM request is ever sent; the SOCKS request names srv01.lab.example:5985.",
    ),
    Scenario(
        name="socks5-client-side-healthy",
        description="The SOCKS 5 session recorded on the client's side only; the client resolves the name itself.",
        proxy=Proxy("microsocks", forward=True),
        phases=((SOCKS5_ADDRESS,),),
        capture="any-sll2",
        view="client-side",
        healthy=True,
        forbidden_rules=QUIET,
    ),
    Scenario(
        name="socks4a-healthy",
        description="A probe through a SOCKS 4a server, which gets the destination's name; NTLM and one encrypted request each time.",
        proxy=Proxy("socks4a", forward=True),
        phases=((SOCKS4A,),),
        users=("bob",),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=QUIET,
    ),
    Scenario(
        name="socks4-healthy",
        description="pypsrp through a SOCKS 4 server (Dante), which gets the destination's address.",
        proxy=Proxy("dante", forward=True),
        phases=((Client("wks01", "pypsrp-winrs", {**SOCKS5.options, "proxy_scheme": "socks4"}),),),
        capture="any-sll2",
        healthy=True,
        forbidden_rules=QUIET,
    ),
    *(
        Scenario(
            name=f"proxy-header-v{version}-{kind}-healthy",
            description=f"haproxy in mode {kind} tells the server the client's address with a PROXY header of version {version}.",
            server=TO_SERVER,
            proxy=Proxy("haproxy", {"mode": kind, "header": "send-proxy" if version == 1 else "send-proxy-v2"}),
            phases=((PLAIN,),),
            capture="any-sll2",
            healthy=True,
            forbidden_rules=QUIET,
        )
        for version, kind in ((1, "http"), (2, "tcp"))
    ),
    Scenario(
        name="proxy-header-server-side-healthy",
        description="Two users through haproxy with PROXY headers of version 1, recorded on the server's side only: the header names the clients.",
        server=TO_SERVER,
        proxy=Proxy("haproxy", {"header": "send-proxy"}),
        phases=((PLAIN, Client("wks02", "pypsrp-winrs", {"username": "LAB\\bob", "commands": ["whoami"]})),),
        users=("alice", "bob"),
        capture="any-sll2",
        view="server-side",
        healthy=True,
        forbidden_rules=QUIET,
    ),
    Scenario(
        name="proxy-header-not-expected",
        description="haproxy sends a PROXY header that the server does not expect: its HTTP layer refuses every connection.",
        server=Server(conduct={"refuses_proxy_header": True}),
        proxy=Proxy("haproxy", {"header": "send-proxy"}),
        phases=((Client("wks01", "pywinrm", {**SESSION, "commands": []}),),),
        capture="any-sll2",
        expected_rules=("http.refused-request",),
        forbidden_rules=("auth.credentials-refused", "auth.loop", "affinity.handshake-split", "attack.omigod"),
        open_rules=("http.gateway-error", "http.non-wsman-reply"),
        notes="HTTP.sys takes the header for a request line and answers 400 Bad Request.",
    ),
    Scenario(
        name="redirected-squid-healthy",
        description="The router hands the client's connections to port 5985 over to squid (intercept), which the client does not know of.",
        proxy=Proxy("squid", {"intercept": True}),
        phases=((Client("wks01", "pywinrm", {**SESSION, "host_name": "srv01.lab.example", "port": 5985}),),),
        capture="any-sll2",
        device=Device("redirect"),
        healthy=True,
        forbidden_rules=QUIET,
        open_rules=("proxy.unexpected",),
        notes="Two TCP connections whose server end is the same: the client believes that it talks to the server.",
    ),
)
