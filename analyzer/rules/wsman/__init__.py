"""Rules of the family `wsman`: one file, one rule."""
