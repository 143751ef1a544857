"""Rules of the family `attack`: one file, one rule."""
