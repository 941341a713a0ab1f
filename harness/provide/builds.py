"""Our own builds of Go programs in the cache, one folder per version and digest of the sources.

Called by providers. An entry is renamed into place when it is whole, under a lock, so
that two commands at once make one build.
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness.clock import NS_PER_S
from harness.provide.build import (
    Sources,
    Toolchain,
    build,
    dotted,
    examine_go,
    keep_folder,
    says_version,
)
from harness.provide.cache import GIB, locked, need_free, remove_tree
from harness.provide.chain import Refused, Report
from harness.provide.command import SYSTEM_CLOCK, capture
from harness.provide.data import wheel_pins
from harness.provide.wheel import install_wheel

WARM_BYTES = 1 * GIB
KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Builds:
    """The builds of one version of the sources."""

    cache: Path
    """The cache folder of onceproof."""
    sources: Sources
    """What is to be built."""

    @property
    def entry(self) -> Path:
        """The folder of the finished build."""
        return self.cache / self.sources.program.kept / self.sources.key

    @property
    def binary(self) -> Path:
        """The program in it."""
        return self.entry / self.sources.program.binary

    @property
    def kept(self) -> Path:
        """The folder of its module that is kept with it."""
        return self.entry / KEPT

    def cached(self) -> Path:
        """The binary of an earlier build.

        Raises:
            Refused: there is none, or it is damaged (it is removed then).
        """
        binary = self.binary
        if not binary.exists():
            raise Refused(f"no build {self.sources.key} in {self.entry.parent}")
        if not says_version(binary, self.sources):
            remove_tree(self.entry)
            raise Refused(f"{binary} is damaged; removed")
        return binary

    def with_own_go(self, environ: Mapping[str, str], report: Report) -> Path:
        """Build with the caller's Go and his module and build caches, which stay.

        Raises:
            Refused: no Go, too old, or the build failed.
            MachineError: too little disk.
        """
        go = shutil.which("go", path=environ.get("PATH", ""))
        if go is None:
            raise Refused("no go on PATH")
        toolchain = examine_go(go, environ, self.sources)
        modules, objects = (Path(folder) for folder in _go_caches(toolchain))
        program = self.sources.program
        is_warm = (modules / f"{program.module}@v{self.sources.version}").exists()
        what = f"the build with {go} from {'warm' if is_warm else 'empty'} caches"
        need_free(objects, WARM_BYTES if is_warm else program.cold_bytes, what)
        with self._lock(report):
            return self._make(toolchain, report)

    def with_wheel(self, environ: Mapping[str, str], report: Report) -> Path:
        """Build with Go from a wheel, in caches inside ours, which are removed afterwards.

        Raises:
            Refused: the wheel or the modules cannot be had, or the build failed.
            MachineError: too little disk.
        """
        program = self.sources.program
        need_free(self.cache, program.cold_bytes, f"the build of {program.title}")
        report(f"building {program.title}: {program.cost}")
        with self._lock(report):
            if self.binary.exists():
                return self.binary
            work = self.entry.parent / f".work-{self.sources.key}"
            remove_tree(work)
            try:
                work.mkdir(parents=True)
                install_wheel(wheel_pins("go"), work / "wheel", report)
                own = {
                    **{name: text for name, text in environ.items() if name != "GOROOT"},
                    "GOPATH": str(work / "path"),
                    "GOMODCACHE": str(work / "modules"),
                    "GOCACHE": str(work / "objects"),
                    "GOFLAGS": "-modcacherw",
                    # The caller's settings for Go hold; Go's counters stay out of that folder.
                    "GOENV": environ.get("GOENV") or str(_config_home(environ) / "go" / "env"),
                    "XDG_CONFIG_HOME": str(work / "config"),
                }
                go = str(work / "wheel" / "go" / "bin" / "go")
                return self._make(examine_go(go, own, self.sources), report)
            finally:
                remove_tree(work)

    def _lock(self, report: Report) -> AbstractContextManager[None]:
        return locked(self.entry.parent / ".lock", report)

    def _make(self, toolchain: Toolchain, report: Report) -> Path:
        """Build into a temporary folder and rename it; the caller holds the lock."""
        binary = self.binary
        if binary.exists():
            return binary
        fresh = self.entry.parent / f".fresh-{self.sources.key}"
        log = self.entry.parent / "build.log"
        remove_tree(fresh)
        fresh.mkdir(parents=True)
        log.write_text("", encoding="utf-8")
        began_ns = SYSTEM_CLOCK.monotonic_ns()
        program, version = self.sources.program, self.sources.version
        report(f"building {program.title} {version} with Go {dotted(toolchain.version)}")
        try:
            build(self.sources, toolchain, fresh / program.binary, log, report)
            keep_folder(self.sources, toolchain, fresh / KEPT)
            if not says_version(fresh / program.binary, self.sources):
                raise Refused(f"the binary that was built does not run; log: {log}")
            seconds = (SYSTEM_CLOCK.monotonic_ns() - began_ns) // NS_PER_S
            self._describe(fresh / "build.json", toolchain, seconds)
            remove_tree(self.entry)
            fresh.rename(self.entry)
        finally:
            remove_tree(fresh)
        report(f"built {binary} in {seconds} s")
        return binary

    def _describe(self, file: Path, toolchain: Toolchain, seconds: int) -> None:
        about = {
            "schema": 1,
            "version": self.sources.version,
            "go": dotted(toolchain.version),
            "sources_sha256": self.sources.digest,
            "seconds": seconds,
        }
        file.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _config_home(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("HOME", "/nonexistent"))
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config")


def _go_caches(toolchain: Toolchain) -> list[str]:
    """Where this Go keeps modules and objects."""
    said = capture([toolchain.go, "env", "GOMODCACHE", "GOCACHE"], env=toolchain.environ)
    folders = said.text.split("\n")[:2]
    if said.code != 0 or len(folders) != 2 or not all(folders):
        raise Refused(f"{toolchain.go} does not say where its caches are: {said.last_line}")
    return folders
