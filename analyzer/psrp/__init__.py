"""PowerShell remoting (MS-PSRP) inside a shell's streams, and the shells of both kinds as a person sees them: commands and what came back.

`fragments` puts messages together again, `clixml` makes text of what they hold, `shells` builds shells, commands and streams from operations.
"""
