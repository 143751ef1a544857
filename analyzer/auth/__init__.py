"""The authentication stage: the four headers of RFC 9110 section 11 become tokens, and the exchanges of one connection become conversations.

Strategy, in the order of the data flow:

- ``headers``: a header's text becomes challenges or credentials (scheme, token or parameters), leniently.
- ``schemes/``: one file per mechanism reads a token's bytes. What the token is decides the mechanism, not the word in front of it.
- ``tokens``: scheme word and bytes become one `Token` record, with complaints where something is wrong.
- ``turns``: one exchange as one audience (server or proxy) sees it: what the client sent, what the peer answered, and what kind of answer that is.
- ``conversations``: turns in order are grouped into conversations; ``facts`` gives each its columns.
- ``steps``: the word that the exchanges table shows for each exchange.

A security context belongs to one TCP connection, and so does a conversation. Secrets (a Basic password, a bearer token) never reach a record; only SHA-256
digests of whole tokens do, so that two legs of a proxy can be compared.
"""

from analyzer.auth.conversations import conversations
from analyzer.auth.steps import steps_of

__all__ = ["conversations", "steps_of"]
