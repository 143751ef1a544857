"""Opinions: one file, one rule, in a folder per family; found by folder, so that adding a rule is adding a file.

A rule module has ``TITLE``, ``SEVERITY``, ``REFERENCE``, ``ADVICE``, optionally ``ATTACK``, a docstring with the headings *What it sees · Why it matters ·
When it is wrong · Needs · Reference*, and ``find(evidence)`` that yields findings. ``reading`` has the questions that rules ask of the evidence;
``catalogue`` finds the rules; ``causes`` says which finding explains which other.
"""
