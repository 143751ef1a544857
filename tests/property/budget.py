"""How many examples a property gets: few enough that the suite stays short. The rest is the profile of tests/conftest.py; the deep one is for a night."""

import os

from hypothesis import settings

_DEEP = 40 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 1

cheap = settings(max_examples=600 * _DEEP)
"""About a millisecond an example."""
whole_run = settings(max_examples=250 * _DEEP)
"""A run of a small capture, some five milliseconds."""
two_runs = settings(max_examples=150 * _DEEP)
"""Runs of larger captures."""
