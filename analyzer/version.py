"""The version of the program: pyproject.toml reads it here, and everything may import it."""

__version__ = "0.1.0"
