"""Rules of the family `capture`: one file, one rule."""
