"""What became of things, over all connections: facts that no single connection tells.

`icmp` gives ICMP errors to the connections that they quote; `silence` finds the requests that got no answer, and what ended the waiting.
"""
