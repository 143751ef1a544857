"""Capture files in, candidate flows out.

`open` recognises formats and gives pieces of bytes; `kernel` walks records and decodes link, IP and TCP headers of each packet, keeps the flow table and
hands over the rows of flows that may carry WinRM; `links` is the table of link types; `verdict` decides from first payloads; `slow` (dpkt) takes the
frames that the fast path does not: tunnels, fragments, rare links; `scan` puts them together for one file.
"""
