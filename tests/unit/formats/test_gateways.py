"""Heads are looked at once each, whatever Python calls them."""

import pytest

from analyzer.formats.gateways import shows_gateway
from analyzer.records.http import Header


def test_a_head_that_takes_the_place_of_another_is_looked_at_itself() -> None:
    for number in range(3000):
        server = "squid/5.7" if number % 2 else "Microsoft-HTTPAPI/2.0"
        headers = (Header("Server", server, 0), Header("Content-Length", str(number), 40))
        for _ in range(2):
            assert shows_gateway(headers) == bool(number % 2)
            assert not shows_gateway(headers, by_product=False)


@pytest.mark.parametrize("name", ["Via", "X-CACHE", "proxy-authenticate"])
def test_a_field_that_only_an_intermediary_writes_shows_one_whatever_the_product(name: str) -> None:
    headers = (Header("Server", "Microsoft-HTTPAPI/2.0", 0), Header(name, "anything", 40))
    assert shows_gateway(headers)
    assert shows_gateway(headers, by_product=False)
