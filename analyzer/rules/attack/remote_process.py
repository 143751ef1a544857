"""A program is started on a server by a CIM method over WinRM, without any shell.

Detects
    Requests that could be read and call Win32_Process.Create (Windows), or ExecuteShellCommand or ExecuteCommand of
    SCX_OperatingSystem (OMI on Linux and Unix). The finding quotes the command line with its packet. A request that
    the server refused is none.
Impact
    The program runs on the server as the user who asked, in no session, under the WMI provider's process. Logs of
    PowerShell and of remote shells do not show it.
False positives
    Management does so every day. Agents, inventory and deployment tools start programs by it (Invoke-CimMethod, winrm
    invoke, Operations Manager on Linux). The method says what was asked for; ReturnValue 0 in the answer says that the
    program was started, not what it did.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    ATT&CK T1047, T1021.006.
"""

from analyzer.records.wsman import Command, Shell
from analyzer.rules.reading import counted
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_QUOTED = 3


class Call(Fact, frozen=True):
    """A command that a method ran, and the connection's calls as a shell."""

    command: Command
    shell: Shell


def see(evidence: Evidence) -> Signs[Call]:
    """One sign for each call that was not refused."""
    shells = {(shell.server, shell.id): shell for shell in evidence.shells if shell.kind == "cim"}
    for command in evidence.commands:
        shell = shells.get((command.server, command.shell))
        if shell is not None and command.kind == "cim" and command.state != "refused" and command.packets:
            yield Sign(Call(command, shell), command.exchanges[:1], command.packets, shell.connections, command.user)


def place(_: Evidence, sign: Sign[Call]) -> tuple[str, str]:
    """One finding for each client and server."""
    return sign.fact.shell.client, sign.fact.shell.server


def destination(tell: Tell[Call]) -> str:
    """The server."""
    return tell.first.fact.shell.server


def why(tell: Tell[Call]) -> str:
    """Who asked for what."""
    shell = tell.first.fact.shell
    who = f"{tell.users[0]} at {shell.client}" if len(tell.users) == 1 else shell.client
    said = [f"{who} asked {shell.server} {counted(tell.count, 'time')} to start a program by a CIM method."]
    for sign in tell.signs[:_QUOTED]:
        line = sign.fact.command.text.replace("\u201d", '"').replace("\u201c", '"')
        told = f"is \u201c{line}\u201d" if line else "is not in the capture"
        said.append(f"The command line in {tell.packet(sign.packets[0])} {told} (command {sign.fact.command.id}).")
    return " ".join(said)


OPINION = Opinion(
    title=lambda tell: f"Program started by a CIM method on {destination(tell)}",
    name="Program started by a CIM method",
    severity=Severity.LOW,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="ATT&CK T1047",
    advice=(
        "Compare with your management tools and the user's work. Look at what the program did: the server's process log (event 4688) names it under "
        "WmiPrvSE.exe."
    ),
    attack=("T1047", "T1021.006"),
    destination=destination,
    see=see,
    why=why,
    each=place,
)
