"""Compiles what is done per packet and per object where there is a C compiler; without one the same sources run as they are, slower (``winrm-analyzer
--version`` tells which). ``WINRM_ANALYZER_NO_COMPILER=1`` leaves them uncompiled; with ``REQUIRE_COMPILED=1`` a compilation that fails is an error.
"""

import os
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import BaseError, CompileError

COMPILED = (
    *(f"analyzer.capture.{unit}" for unit in ("table", "verdicts", "flows", "kernel")),
    *("analyzer.formats.lz77", "analyzer.formats.reader", "analyzer.http.walk", "analyzer.psrp.strings", "analyzer.transport.columns", "analyzer.wsman.marks"),
    *("analyzer.transport.plain", "analyzer.wsman.ordinary", "analyzer.wsman.shapes"),
)
"""Beside each stands a .pxd with its types."""
WRITTEN_IN_C = ("analyzer.auth.schemes._sweep",)
"""What has to be one loop over many lanes; the module that imports it has the same in Python."""
DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # the .pxd has the types; the annotations are those of plain Python
    "boundscheck": True,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "show_performance_hints": False,
}


REQUIRED = os.environ.get("REQUIRE_COMPILED", "") not in {"", "0"}


class BuildWhatCanBeBuilt(build_ext):
    """A compiler that is missing or fails is no reason not to install, unless compilation is required."""

    def run(self) -> None:
        """Builds, or says why not and goes on."""
        try:
            super().run()
        except (BaseError, CompileError, OSError) as error:
            if REQUIRED:
                raise
            self.extensions = []
            self.warn(f"the packet kernel could not be compiled ({error}); it will run uncompiled, many times slower")


class BuildWithManual(build_py):
    """The manual's pages go into the package, for ``winrm-analyzer docs``."""

    def run(self) -> None:
        """Copies the pages beside the modules; an editable installation reads them where they are."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "analyzer", "manual")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for page in sorted(Path("docs").glob("*.md")):
            if page.name != "site.md":
                shutil.copy(page, target)


def extensions() -> list[Extension]:
    """What is compiled, when anything is to be."""
    if os.environ.get("WINRM_ANALYZER_NO_COMPILER"):
        if REQUIRED:
            sys.exit("REQUIRE_COMPILED and WINRM_ANALYZER_NO_COMPILER contradict each other")
        return []
    from Cython.Build import cythonize

    made = [Extension(name, [name.replace(".", "/") + ".py"]) for name in COMPILED]
    written = [Extension(name, [name.replace(".", "/") + ".c"]) for name in WRITTEN_IN_C]
    return [*cythonize(made, compiler_directives=DIRECTIVES, build_dir="build"), *written]


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildWhatCanBeBuilt, "build_py": BuildWithManual})
