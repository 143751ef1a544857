"""From findings to what a reader is told first: incidents (equal findings of one cause) and the diagnosis (at most four sentences)."""
