"""Builds the packet kernel where there is a C compiler; without one the same source runs uncompiled, slower (``winrm-analyzer --version`` tells which).

``WINRM_ANALYZER_NO_COMPILER=1`` leaves the kernel uncompiled.
"""

import os

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CompileError

DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # kernel.pxd has the types; the annotations are those of plain Python
    "boundscheck": True,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "show_performance_hints": False,
}


class BuildWhatCanBeBuilt(build_ext):
    """A compiler that is missing or fails is no reason not to install."""

    def run(self) -> None:
        """Builds, or says why not and goes on."""
        try:
            super().run()
        except (BaseError, CompileError, OSError) as error:
            self.extensions = []
            self.warn(f"the packet kernel could not be compiled ({error}); it will run uncompiled, many times slower")


def extensions() -> list[Extension]:
    """The kernel, when it is to be compiled."""
    if os.environ.get("WINRM_ANALYZER_NO_COMPILER"):
        return []
    from Cython.Build import cythonize

    kernel = Extension("analyzer.capture.kernel", ["analyzer/capture/kernel.py"])
    return list(cythonize([kernel], compiler_directives=DIRECTIVES, build_dir="build"))


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildWhatCanBeBuilt})
