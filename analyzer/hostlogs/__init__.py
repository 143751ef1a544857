"""Logs of Windows hosts: read from files (`reading`), and joined to what the packets show (`joining`)."""
