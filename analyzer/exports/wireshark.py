"""A Wireshark profile for WinRM: what to decode on which port, columns, colours, filter buttons.

Wireshark (4.0) decodes 5985 as HTTP by itself, but neither 47001 nor the HTTP inside the TLS of 5986. Sources: the Wireshark User's Guide, "Configuration Files
and Plugin Folders", and the files that Wireshark writes itself.
"""

from typing import NamedTuple

PROFILE = "WinRM"
_SEALED = 'http.content_type contains "encrypted"'
_LOGON = "http.authorization or http.www_authenticate or http.proxy_authorization or http.proxy_authenticate"


class Colour(NamedTuple):
    """A rule: its name, filter, and the background and text as 16-bit RGB."""

    name: str
    filter: str
    back: tuple[int, int, int]
    text: tuple[int, int, int] = (0x1212, 0x2727, 0x2E2E)


class Button(NamedTuple):
    """A button of the filter bar: label, filter, and what it says when pointed at."""

    label: str
    filter: str
    means: str


COLOURS = (
    Colour("WinRM: connection reset", "tcp.flags.reset == 1", (0xB3B3, 0x2626, 0x1E1E), (0xFFFF, 0xFFFF, 0xFFFF)),
    Colour("WinRM: server or gateway error", "http.response.code >= 500", (0xF7F7, 0xC9C9, 0xC6C6)),
    Colour("WinRM: password in clear (Basic)", "http.authbasic", (0xF2F2, 0xA3A3, 0x3A3A)),
    Colour("WinRM: logon refused or asked for", "http.response.code in {401, 407}", (0xFFFF, 0xE5E5, 0xB4B4)),
    Colour("WinRM: logon", _LOGON, (0xFFFF, 0xF6F6, 0xD6D6)),
    Colour("WinRM: encrypted message", _SEALED, (0xD3D3, 0xEEEE, 0xDDDD)),
    Colour("WinRM: tunnel through a proxy", 'http.request.method == "CONNECT"', (0xE3E3, 0xD9D9, 0xF5F5)),
    Colour("WinRM: retransmission or loss", "tcp.analysis.retransmission or tcp.analysis.lost_segment", (0x3333, 0x3333, 0x3333), (0xF7F7, 0x8787, 0x8787)),
    Colour("WinRM: end of a connection", "tcp.flags.fin == 1", (0xDDDD, 0xDDDD, 0xDDDD)),
    Colour("WinRM: HTTP", "http", (0xE4E4, 0xF1F1, 0xFFFF)),
    Colour("WinRM: TLS", "tls", (0xEAEA, 0xEAEA, 0xF8F8)),
)
BUTTONS = (
    Button("WS-Man", 'http.request.uri contains "wsman" or http.response_for.uri contains "wsman"', "Requests to WinRM and their responses"),
    Button("Logon", _LOGON, "Every header that carries credentials, a token or a challenge"),
    Button("401/407", "http.response.code in {401, 407}", "The server or the proxy asks for a logon, or refuses one"),
    Button("Errors", "http.response.code >= 400 and not http.response.code in {401, 407}", "Errors that are no part of a logon"),
    Button("NTLM", "ntlmssp", "NTLM messages"),
    Button("Kerberos", "kerberos", "Kerberos messages, also inside HTTP"),
    Button("Basic", "http.authbasic", "Passwords that travel in clear"),
    Button("Sealed", _SEALED, "Messages that WinRM encrypted"),
    Button("Proxy", 'http.request.method == "CONNECT" or http.proxy_authorization or http.proxy_authenticate', "Traffic that names a proxy"),
    Button("Close", "tcp.flags.fin == 1 or tcp.flags.reset == 1", "Who ended which connection"),
    Button("Findings", 'frame.comment contains "WSM"', "Packets with a comment of winrm-analyzer, in a slice that it wrote"),
)
_COLUMNS = (
    ("No.", "%m"), ("Time", "%t"), ("Source", "%s"), ("Destination", "%d"), ("Stream", "%Cus:tcp.stream:0:R"), ("Protocol", "%p"),
    ("Method", "%Cus:http.request.method:0:R"), ("Status", "%Cus:http.response.code:0:R"), ("User", "%Cus:ntlmssp.auth.username:0:R"),
    ("Length", "%L"), ("Comment", "%Cus:frame.comment:0:R"), ("Info", "%i"),
)  # fmt: skip
DECODED = (("tcp.port", 5986, "TLS"), ("tcp.port", 47001, "HTTP"))
"""(table, port, protocol)."""


def profile() -> dict[str, str]:
    """The files of the profile by their names."""
    return {"preferences": _preferences(), "colorfilters": _colours(), "dfilter_buttons": _buttons(), "decode_as_entries": _decoded()}


def _preferences() -> str:
    columns = ",\n".join(f'\t"{title}", "{form}"' for title, form in _COLUMNS)
    return (
        "# Profile WinRM of winrm-analyzer.\n"
        f"gui.column.format: \n{columns}\n"
        "http.tls.port: 443,5986\n"
        "http.decompress_body: TRUE\n"
        "tcp.desegment_tcp_streams: TRUE\n"
        "tcp.reassemble_out_of_order: TRUE\n"
        "nameres.network_name: FALSE\n"
    )


def _colours() -> str:
    lines = [f"@{one.name}@{one.filter}@[{','.join(map(str, one.back))}][{','.join(map(str, one.text))}]" for one in COLOURS]
    return "# Profile WinRM of winrm-analyzer; the first rule that fits is used.\n" + "\n".join(lines) + "\n"


def _buttons() -> str:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', "\\x22") + '"'

    lines = [f'"TRUE",{quoted(one.label)},{quoted(one.filter)},{quoted(one.means)}' for one in BUTTONS]
    return "# Profile WinRM of winrm-analyzer.\n" + "\n".join(lines) + "\n"


def _decoded() -> str:
    return "# Profile WinRM of winrm-analyzer.\n" + "".join(f"decode_as_entry: {table},{port},(none),{name}\n" for table, port, name in DECODED)
