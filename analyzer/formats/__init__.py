"""Byte reading, ignorant of purpose: a gap-aware reader over a stream's extents, and text made safe to look at."""
