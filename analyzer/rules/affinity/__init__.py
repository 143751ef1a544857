"""Rules of the family `affinity`: one file, one rule."""
