"""Which exchange on one leg of a proxy is which on the other, told from what only the same message can have in common.

`flights` gives each exchange's keys and times; `joins` pairs by equal keys (hashing, never all pairs) and resolves by how the pairs nest in time; `clocks`
estimates the offset between captures from those pairs; `timing` pairs what has no key of its own, with capped confidence; `hops` puts them together;
`routes` tells from the hops which connections belong together and what each one is.
"""
