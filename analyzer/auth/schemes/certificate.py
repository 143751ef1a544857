"""A client certificate as WS-Management names it (DSP0226 section C.4): TLS shows it, the field only names the profile."""

from analyzer.auth.headers import Credentials
from analyzer.auth.schemes.reading import TokenReading, plain
from analyzer.records.auth import Mechanism

WORD = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"


def token(sent: Credentials) -> TokenReading:
    """The token of an Authorization field."""
    return TokenReading(plain(sent, Mechanism.CERTIFICATE), ())
