"""Names that have to be known before click is loaded."""

COMMANDS = frozenset(
    """analyze compare completion docs explain export extract findings hashes info ladder notebook pcap report restore rules schema serve show sql timeline
    transcript verify wireshark""".split()  # noqa: SIM905 (a list of so many words is easier to read so)
)
"""The names of all commands; what else stands first is a capture to analyze."""
CONFIG = "winrm-analyzer.toml"
"""The file with the user's settings that is looked for in the working folder."""
