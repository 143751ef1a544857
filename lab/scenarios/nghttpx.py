"""nghttpx, which keeps upstream connections for whoever asks next, adds Via, and names no client."""

from lab.scenarios.pools import healthy, pooled

SCENARIOS = (
    pooled("nghttpx", {}, "nghttpx-pooled-second-client"),
    pooled("nghttpx", {}, "nghttpx-pooled-server-side", "server-side", notes=""),
    healthy("nghttpx", {}, "nghttpx-pool-healthy"),
)
