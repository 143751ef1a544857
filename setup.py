"""Builds the packet kernel where there is a C compiler; without one the same source runs uncompiled, slower (``winrm-analyzer --version`` tells which).

``WINRM_ANALYZER_NO_COMPILER=1`` leaves the kernel uncompiled.
"""

import os

from setuptools import Extension, setup

DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # kernel.pxd has the types; the annotations are those of plain Python
    "boundscheck": True,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "show_performance_hints": False,
}


def extensions() -> list[Extension]:
    """The kernel as an extension that may fail to build."""
    if os.environ.get("WINRM_ANALYZER_NO_COMPILER"):
        return []
    from Cython.Build import cythonize

    kernel = Extension("analyzer.capture.kernel", ["analyzer/capture/kernel.py"], optional=True)
    return list(cythonize([kernel], compiler_directives=DIRECTIVES, build_dir="build"))


setup(ext_modules=extensions())
