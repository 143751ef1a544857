"""What events a rule is for, by its log source (Sigma specification 2, "Log Source"; the taxonomy of Windows' services and Sysmon's categories).

A rule names a product, a service (a log of Windows) and a category (a kind of event, whichever log it is in). Two questions are answered: whether it is for
what commands and scripts show, and which events of logs it is for.
"""

from collections.abc import Mapping
from typing import NamedTuple

_SYSMON, _SECURITY, _POWERSHELL, _CLASSIC = "microsoft-windows-sysmon/operational", "security", "microsoft-windows-powershell/operational", "windows powershell"
_CORE = "powershellcore/operational"
_OF_COMMANDS = (None, "process_creation", "ps_script", "ps_module", "ps_classic_start", "ps_classic_script", "ps_classic_provider_start")
_SERVICES_OF_COMMANDS = (None, "powershell", "powershell-classic", "winrm", "security")
_PRODUCTS = (None, "windows")


def _operational(*names: str) -> tuple[str, ...]:
    return tuple(f"microsoft-windows-{name}/operational" for name in names)


SERVICES: Mapping[str, tuple[str, ...]] = {
    "security": (_SECURITY,),
    "system": ("system",),
    "application": ("application",),
    "sysmon": (_SYSMON,),
    "powershell": (_POWERSHELL, _CORE),
    "powershell-classic": (_CLASSIC,),
    "winrm": _operational("winrm"),
    "taskscheduler": _operational("taskscheduler"),
    "wmi": _operational("wmi-activity"),
    "windefend": _operational("windows defender"),
    "applocker": tuple(
        f"microsoft-windows-applocker/{name}" for name in ("exe and dll", "msi and script", "packaged app-deployment", "packaged app-execution")
    ),
    "bits-client": _operational("bits-client"),
    "codeintegrity-operational": _operational("codeintegrity"),
    "capi2": _operational("capi2"),
    "certificateservicesclient-lifecycle-system": _operational("certificateservicesclient-lifecycle-system"),
    "dns-client": _operational("dns client events"),
    "dns-server": ("dns server",),
    "driver-framework": _operational("driverframeworks-usermode"),
    "firewall-as": ("microsoft-windows-windows firewall with advanced security/firewall",),
    "ldap": ("microsoft-windows-ldap-client/debug",),
    "lsa-server": _operational("lsa"),
    "msexchange-management": ("msexchange management",),
    "ntlm": _operational("ntlm"),
    "openssh": ("openssh/operational",),
    "printservice-admin": ("microsoft-windows-printservice/admin",),
    "printservice-operational": _operational("printservice"),
    "security-mitigations": ("microsoft-windows-security-mitigations/kernel mode", "microsoft-windows-security-mitigations/user mode"),
    "shell-core": _operational("shell-core"),
    "smbclient-connectivity": ("microsoft-windows-smbclient/connectivity",),
    "smbclient-security": ("microsoft-windows-smbclient/security",),
    "smbserver-connectivity": ("microsoft-windows-smbserver/connectivity",),
    "terminalservices-localsessionmanager": _operational("terminalservices-localsessionmanager"),
    "vhdmp": _operational("vhdmp"),
    "appmodel-runtime": ("microsoft-windows-appmodel-runtime/admin",),
    "appxdeployment-server": _operational("appxdeploymentserver"),
}
"""A service of Sigma's taxonomy to the logs that it is, in lower case."""


def _of_sysmon(*numbers: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return ((_SYSMON, numbers),)


CATEGORIES: Mapping[str, tuple[tuple[str, tuple[int, ...]], ...]] = {
    "process_creation": ((_SYSMON, (1,)), (_SECURITY, (4688,))),
    "file_change": _of_sysmon(2),
    "network_connection": ((_SYSMON, (3,)), (_SECURITY, (5156,))),
    "sysmon_status": _of_sysmon(4, 16),
    "process_termination": _of_sysmon(5),
    "driver_load": _of_sysmon(6),
    "image_load": _of_sysmon(7),
    "create_remote_thread": _of_sysmon(8),
    "raw_access_thread": _of_sysmon(9),
    "process_access": _of_sysmon(10),
    "file_event": _of_sysmon(11),
    "registry_add": _of_sysmon(12),
    "registry_delete": _of_sysmon(12),
    "registry_set": ((_SYSMON, (13,)), (_SECURITY, (4657,))),
    "registry_rename": _of_sysmon(14),
    "registry_event": ((_SYSMON, (12, 13, 14)), (_SECURITY, (4657,))),
    "create_stream_hash": _of_sysmon(15),
    "pipe_created": _of_sysmon(17, 18),
    "wmi_event": _of_sysmon(19, 20, 21),
    "dns_query": _of_sysmon(22),
    "file_delete": _of_sysmon(23, 26),
    "clipboard_capture": _of_sysmon(24),
    "process_tampering": _of_sysmon(25),
    "file_delete_detected": _of_sysmon(26),
    "file_block_executable": _of_sysmon(27),
    "file_block_shredding": _of_sysmon(28),
    "file_executable_detected": _of_sysmon(29),
    "sysmon_error": _of_sysmon(255),
    "ps_module": ((_POWERSHELL, (4103,)), (_CORE, (4103,))),
    "ps_script": ((_POWERSHELL, (4104,)), (_CORE, (4104,))),
    "ps_classic_start": ((_CLASSIC, (400,)),),
    "ps_classic_provider_start": ((_CLASSIC, (600,)),),
    "ps_classic_script": ((_CLASSIC, (800,)),),
}
"""A category to the logs and numbers of its events."""


class LogSource(NamedTuple):
    """The log source of a rule, in lower case; None for what it does not name."""

    product: str | None = None
    category: str | None = None
    service: str | None = None

    @property
    def of_commands(self) -> bool:
        """The rule is for what commands and scripts show: processes that are started, and PowerShell."""
        return self.product in _PRODUCTS and self.category in _OF_COMMANDS and self.service in _SERVICES_OF_COMMANDS

    @property
    def of_events(self) -> bool:
        """The rule is for events of Windows whose log is known here."""
        named = (self.category is None or self.category in CATEGORIES) and (self.service is None or self.service in SERVICES)
        return self.product in _PRODUCTS and named and (self.product, self.category, self.service) != (None, None, None)

    def fits(self, channel: str, number: int | None) -> bool:
        """The rule is for this event: its log in lower case, and its number."""
        if self.service is not None and channel not in SERVICES.get(self.service, ()):
            return False
        return self.category is None or any(log == channel and number in numbers for log, numbers in CATEGORIES.get(self.category, ()))


def source_of(document: Mapping[str, object]) -> LogSource:
    """That of a rule."""
    found = document.get("logsource")
    fields = found if isinstance(found, dict) else {}
    words = (fields.get(name) for name in ("product", "category", "service"))
    return LogSource(*(word.lower() if isinstance(word, str) else None for word in words))
