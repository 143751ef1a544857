"""Readable WS-Management requests and faults for transcripts, in the words that Windows uses, with invented names."""

from tests.build.talk_http import SOAP, Content, Reply, reply

SHELL = "19D433FD-190F-4B8C-89C8-51F304D6D618"
CMD = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
_SHELL_ACTIONS = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/"
_ACTIONS = {
    "Create": "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
    "Delete": "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete",
    "Get": "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get",
}
_NAMES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"'
)


def asks(operation: str, *, shell_id: str | None = None, uri: str = CMD, timeout: str | None = "PT60.000S", number: int = 1) -> Content:
    """A request in clear."""
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet>' if shell_id else ""
    limit = f"<w:OperationTimeout>{timeout}</w:OperationTimeout>" if timeout else ""
    action = _ACTIONS.get(operation, f"{_SHELL_ACTIONS}{operation}")
    head = f"<a:Action>{action}</a:Action><a:MessageID>uuid:{number:08X}-0000-4000-8000-000000000000</a:MessageID><w:ResourceURI>{uri}</w:ResourceURI>"
    return Content(SOAP, f"<s:Envelope {_NAMES}><s:Header>{head}{limit}{selector}</s:Header><s:Body/></s:Envelope>".encode())


def done(operation: str = "Create") -> Content:
    """The response to a request that went well."""
    action = _ACTIONS.get(operation, f"{_SHELL_ACTIONS}{operation}")
    return Content(
        SOAP,
        f"<s:Envelope {_NAMES}><s:Header><a:Action>{action}Response</a:Action></s:Header><s:Body/></s:Envelope>".encode(),
    )


def fault(code: int | None, text: str = "It failed.", *, subcode: str = "w:InternalError", inner: int | None = None) -> Reply:
    """A response with a fault, as Windows sends it; ``inner`` is the code of the plug-in's own fault."""
    own = f"<f:Message>{text}</f:Message>"
    if inner is not None:
        nested = f'<f:WSManFault Code="{inner}" Machine="srv01.lab.example">{own}</f:WSManFault>'
        own = f'<f:Message><f:ProviderFault provider="WMI Provider" path="wmi.dll">{nested}</f:ProviderFault></f:Message>'
    names = 'xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"'
    detail = "" if code is None else f'<s:Detail><f:WSManFault {names} Code="{code}" Machine="srv01.lab.example">{own}</f:WSManFault></s:Detail>'
    body = (
        f"<s:Envelope {_NAMES}><s:Header><a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/fault</a:Action></s:Header><s:Body><s:Fault><s:Code>"
        f'<s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">{text}</s:Text>'
        f"</s:Reason>{detail}</s:Fault></s:Body></s:Envelope>"
    )
    return reply(500, content=Content(SOAP, body.encode()))
