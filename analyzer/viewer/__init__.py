"""The viewer of a case folder: pages on loopback for cases that are too large for one report. Read-only; the report stays the thing to send."""
