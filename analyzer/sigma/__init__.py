"""The user's own Sigma rules over what was run and what was logged: rule files in, hits out.

`yaml_adapter` reads files, `reading` makes rules of them, `sources` tells what they are for, `conditions` and `values` are the language, `events` makes events
of commands, `logged` of forwarded events and operations, `hits` joins them. What of the language is not supported costs the rule that uses it, and is told.
"""
