"""Rules of the family `tcp`: one file, one rule."""
