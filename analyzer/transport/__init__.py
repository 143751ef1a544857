"""Flows in, connections with two streams out.

`threads` joins the flows of rotated files and marks a connection seen at two capture points; `rows` drops packets captured twice; `reassembly` makes a
direction's map of bytes; `connections` tells client from server and how the connection ended; `tunnels` cuts a CONNECT tunnel's inner connection out.
"""
