"""One file per scenario (and its twins): each declares SCENARIOS."""
