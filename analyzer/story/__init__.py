"""One picture of the whole, made once from both sides: parties, logons, what became of each request, how connections ended.

`icmp` gives ICMP errors to the connections that they quote; `silence` finds the requests that got no answer, and what ended the waiting.
"""
