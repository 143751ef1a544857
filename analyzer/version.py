"""The version of the program: pyproject.toml reads it here, and everything may import it."""

__version__ = "0.1.0"


def described() -> str:
    """The program, its version and the form of its packet kernel, which is not loaded for it (`analyzer.formats.forms` says what the variable asks for)."""
    import os
    from importlib.util import find_spec

    spec = find_spec("analyzer.capture.kernel")
    compiled = os.environ.get("WINRM_ANALYZER_KERNEL") != "python" and spec is not None and not str(spec.origin).endswith(".py")
    return f"winrm-analyzer, version {__version__} (packet kernel {'compiled' if compiled else 'not compiled'})"
