"""Calls of the server's pipelines to the client's host, and what the host answered (MS-PSRP 2.2.2.27 to 2.2.2.30, 2.2.6): prompts, lines that someone typed,
text that is written to the console. What is typed as a SecureString, and passwords of credentials, stay encrypted on the wire."""

from analyzer.psrp.clixml import host_call, named, tree, value

_ASKS = ("ReadLine", "ReadLineAsSecureString", "Prompt", "PromptForCredential1", "PromptForCredential2", "PromptForChoice", "PromptForChoiceMultipleSelection")
"""Methods of RemoteHostMethodId (MS-PSRP 2.2.3.17) to which a person answers."""


def call(text: str) -> str:
    """A host call: the method and its parameters."""
    return host_call(text)


def answer(text: str) -> str:
    """The host's answer: the method and what it returned, or why it failed."""
    root = tree(text)
    if root is None:
        return text
    method, returned, failed = value(named(root, "mi")), named(root, "mr"), named(root, "me")
    if failed is not None and value(failed):
        return f"{method} failed: {value(failed)}"
    return f"{method} returned {value(returned)}" if returned is not None else f"{method}()"


def asks(text: str) -> bool:
    """The call waits for what a person types or chooses."""
    return text.partition("(")[0] in _ASKS
