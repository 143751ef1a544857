"""Rules of the family `auth`: one file, one rule."""
