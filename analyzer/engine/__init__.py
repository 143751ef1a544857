"""The only place that knows the order of stages. `plan` is the run as a list of jobs: read it first. `local` runs it; `sources` reads bytes back."""
