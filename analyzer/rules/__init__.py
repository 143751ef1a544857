"""Opinions: one file, one rule, in a folder per family; found by folder, so that adding a rule is adding a file.

A rule module has a docstring with the headings *Detects · Impact · False positives · Requires · References*, and ``OPINION``. ``telling`` makes findings of
it; ``reading`` has the questions that rules ask of the evidence; ``catalogue`` finds the rules; ``causes`` says which finding explains which other.
"""
