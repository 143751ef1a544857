"""Logons to applications whose answers are pages: a success or a redirection after credentials is what a server gives that let the client in.

WinRM answers with SOAP, so a page there is from something before it, which examined nothing (`analyzer.auth.turns`). Of another application nothing tells a
page of its own from one of a device; an error stays what it is: not examined.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from analyzer.records.auth import Audience, Conversation, Outcome
from analyzer.records.halves import status
from analyzer.records.http import Exchange

_DONE = range(200, 400)


def with_pages(spoken: Conversation, exchanges: Mapping[str, Exchange]) -> Conversation:
    """The conversation, accepted where its last answer is such a page."""
    if spoken.outcome is not Outcome.NOT_EXAMINED or spoken.audience is not Audience.SERVER or spoken.ends is None:
        return spoken
    return replace(spoken, outcome=Outcome.ACCEPTED) if status(exchanges[spoken.ends]) in _DONE else spoken
