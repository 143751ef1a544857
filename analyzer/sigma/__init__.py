"""The user's own Sigma rules over what was run: rule files in, hits out.

`yaml_adapter` reads files, `reading` makes rules of them, `conditions` and `values` are the language, `events` makes events of commands, `hits` joins them.
What of the language is not supported costs the rule that uses it, and is told.
"""
