"""The spine: frozen records that the stages hand to each other.

Nothing in this folder decides anything and nothing here imports another folder of the project. The files, in the order of the data flow:
ids, quality, issues (what every record uses) · capture · transport · http · auth · sealing · proxy · finding · evidence (all of it, as rules see it).

Units: ``_ns`` is int64 nanoseconds since 1970 UTC; sizes are bytes; ``at``/``_at`` is a byte offset; a packet number counts from 1 per capture, as Wireshark
shows it.
"""
