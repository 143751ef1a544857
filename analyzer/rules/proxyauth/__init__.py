"""Rules of the family `proxyauth`: one file, one rule."""
