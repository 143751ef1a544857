"""Clear SOAP requests that the lab's own clients send."""

SHELL_URI = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"
ENVELOPE = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" \
xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" \
xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" \
xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"><s:Header>\
<a:To>{url}</a:To><a:ReplyTo><a:Address s:mustUnderstand="true">\
http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
<a:MessageID>uuid:{message_id}</a:MessageID><w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>\
<a:Action s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/09/transfer/Create</a:Action>\
<w:MaxEnvelopeSize s:mustUnderstand="true">153600</w:MaxEnvelopeSize>\
<w:OperationTimeout>PT20S</w:OperationTimeout></s:Header><s:Body><rsp:Shell>\
<rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell></s:Body>\
</s:Envelope>"""
IDENTIFY = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" \
xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body>\
<wsmid:Identify/></s:Body></s:Envelope>"""
