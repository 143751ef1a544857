"""How many examples a property gets: few enough that the suite stays short, and always the same ones. HYPOTHESIS_PROFILE=deep draws others, for a night."""

import os

from hypothesis import HealthCheck, settings

_DEEP = 40 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 1
_NOT_ASKED = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large)

cheap = settings(max_examples=600 * _DEEP, deadline=None, derandomize=_DEEP == 1, suppress_health_check=_NOT_ASKED)
"""About a millisecond an example."""
whole_run = settings(max_examples=250 * _DEEP, deadline=None, derandomize=_DEEP == 1, suppress_health_check=_NOT_ASKED)
"""A run of a small capture, some five milliseconds."""
two_runs = settings(max_examples=150 * _DEEP, deadline=None, derandomize=_DEEP == 1, suppress_health_check=_NOT_ASKED)
"""Runs of larger captures."""
