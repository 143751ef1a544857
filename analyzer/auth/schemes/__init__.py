"""One file per mechanism: bytes of a token become its record and, where something is wrong, a complaint. No file here knows of headers or exchanges.

Each parser returns a `reading.Reading`; any bytes give one. ``der`` checks the outer shape of ASN.1 before the one file that uses pyspnego sees it.
"""
