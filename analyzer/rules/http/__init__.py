"""Rules of the family `http`: one file, one rule."""
