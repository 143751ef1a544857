"""`explain 503` names the rules that look at such answers: each status, and one of them."""

import pytest

from analyzer.rules.documents import explanation

NAMED = {
    301: "http.redirect",
    400: "http.request-header-too-long",
    401: "auth.credentials-refused",
    404: "http.path-not-found",
    411: "http.length-required",
    413: "http.request-too-large",
    415: "http.content-type-changed",
    431: "http.request-header-too-long",
    500: "wsman.request-failed",
    502: "http.gateway-error",
    503: "http.service-unavailable",
    504: "http.gateway-timeout",
}


@pytest.mark.parametrize("status", NAMED)
def test_a_status_leads_to_its_rules(status: int) -> None:
    (line,) = (line for line in explanation(str(status)).splitlines() if line.startswith("Rules: "))
    assert NAMED[status] in line.removeprefix("Rules: ").split(", ")
