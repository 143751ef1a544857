"""Rules of the family `tls`: one file, one rule."""
