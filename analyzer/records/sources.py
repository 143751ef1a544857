"""Documents that findings are checked against and that have no number to be found by: their titles and addresses."""

PROXY_SERVERS = "Proxy Servers and WinRM"
"""Microsoft's page about proxies between WinRM clients and servers."""
ADDRESSES = {PROXY_SERVERS: "https://learn.microsoft.com/en-us/windows/win32/winrm/proxy-servers-and-winrm"}
"""By title."""
