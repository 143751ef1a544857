"""Measurements: what reading and joining cost, and captures made to measure them on."""
