"""Short names of WS-Management actions (DSP0226, WS-Transfer, WS-Enumeration, WS-Eventing, MS-WSMV 3.1.4)."""

from functools import lru_cache

_TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
_ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"
_EVENTING = "http://schemas.xmlsoap.org/ws/2004/08/eventing/"
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/"
_WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman/"
_CIM = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
_FAULTS = (
    "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault",
    "http://schemas.xmlsoap.org/ws/2004/09/enumeration/fault",
    "http://schemas.xmlsoap.org/ws/2004/09/transfer/fault",
    "http://schemas.xmlsoap.org/ws/2004/08/eventing/fault",
)
_BASES = (_TRANSFER, _ENUMERATION, _EVENTING, _SHELL, _WSMAN, _CIM)


@lru_cache(maxsize=1024)
def short_name(action: str) -> str:
    """The last word of a known action, ``Fault`` for fault actions, the action itself where it is not known."""
    if action in _FAULTS:
        return "Fault"
    for base in _BASES:
        if action.startswith(base):
            return action.removeprefix(base)
    return action
