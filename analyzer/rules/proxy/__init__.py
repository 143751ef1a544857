"""Rules of the family `proxy`: one file, one rule."""
