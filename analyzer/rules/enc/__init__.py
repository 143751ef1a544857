"""Rules of the family `enc`: one file, one rule."""
