"""What the numbers mean that WinRM, Windows, Kerberos and HTTP give for a failure: one table, `codes.tsv`, and the ways
to look into it."""
