"""Streams in, exchanges out (RFC 9110, RFC 9112).

`heads` reads start lines and field lines, `bodies` finds where a body ends, `messages` walks one direction and finds its way again after a gap, `exchanges`
pairs requests with responses. Lenient everywhere: whatever looks odd is an issue, and reading goes on at the next message.
"""
