"""One profile for every property: no deadline, since a busy machine is no failure, and the same examples each time. HYPOTHESIS_PROFILE=deep draws others."""

import os

from hypothesis import HealthCheck, settings

_NOT_ASKED = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large)

settings.register_profile("same", deadline=None, derandomize=True, database=None, suppress_health_check=_NOT_ASKED)
settings.register_profile("deep", deadline=None, suppress_health_check=_NOT_ASKED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
