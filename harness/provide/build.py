"""Build a program from a Go module of ours: sources' key, toolchain's age, progress.

Called by providers under the cache's lock. It writes into the folder it is given, and into Go's own
caches; never into the sources.
"""

import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.provide.chain import Refused, Report
from harness.provide.command import capture, stream

BINARY = "onceproof-dapr"
BUILD_DEADLINE_S = 3600.0
PROGRESS_EVERY_S = 10
GIB = 1 << 30
Version = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is built, and what the build takes."""

    folder: str
    """Folder of our module in the checkout."""
    kept: str
    """Folder of its builds in the cache."""
    binary: str
    """File name of the binary."""
    title: str
    """What it is called in messages."""
    module: str
    """The Go module whose version is the program's."""
    stamps: tuple[str, ...]
    """Variables that the linker sets; {version}, {major} and {minor} are filled in."""
    tags: str
    """Build tags; empty for none."""
    cost: str
    """What a build from nothing downloads and takes, in words."""
    cold_bytes: int
    """Disk that a build from empty caches needs."""
    keeps: str = ""
    """A folder of the module that is kept beside the binary, as `kept`; empty for none."""
    package: str = "."
    """The package that is built: ours, or one of the module's own programs."""
    ask: str = "version"
    """The argument that makes the binary say its version."""


# Measured from empty caches: 1.9 GB of modules, 1.8 GB of build cache, 0.3 GB of Go, the binary.
DAPR = Program(
    folder="runtime",
    kept="runtime",
    binary=BINARY,
    title="the Dapr runtime",
    module="github.com/dapr/dapr",
    stamps=("github.com/dapr/dapr/pkg/buildinfo.version={version}",),
    tags="",
    cost=(
        "downloads 75 MB of Go and 1.9 GB of modules, writes 1.8 GB more, and removes all of it "
        "but the 98 MB binary; 5 to 10 minutes on 2 cores"
    ),
    cold_bytes=6 * GIB,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The Go module, and what its builds are known by."""

    program: Program
    """What they are built into."""
    folder: Path
    """Where go.mod lies."""
    version: str
    """The version of the program's module in go.mod, without the v."""
    go_version: Version
    """The oldest Go that may build it, from its `go` directive."""
    digest: str
    """SHA-256 over go.mod, go.sum and every .go file; hexadecimal."""

    @property
    def key(self) -> str:
        """The name of its build in the cache."""
        return f"{self.version}-{self.digest[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A go command and the environment it is to run in."""

    go: str
    """Path of the go command."""
    version: Version
    """What `go env GOVERSION` says."""
    environ: Mapping[str, str]
    """The whole environment of its commands."""


def read_sources(folder: Path, program: Program = DAPR) -> Sources:
    """Read and digest the Go module in `folder`.

    Raises:
        HarnessError: go.mod lacks the `go` directive or the version of the program's module.
    """
    text = (folder / "go.mod").read_text(encoding="utf-8")
    directive = re.search(r"^go (\S+)$", text, re.MULTILINE)
    module = re.search(rf"^\s*{re.escape(program.module)} v(\S+)", text, re.MULTILINE)
    if directive is None or module is None:
        raise HarnessError(f"{folder / 'go.mod'} lacks its go directive or {program.module}")
    digest = hashlib.sha256()
    files = [folder / "go.mod", folder / "go.sum", *sorted(folder.rglob("*.go"))]
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder)} {len(content)}\n".encode())
        digest.update(content)
    return Sources(
        program=program,
        folder=folder,
        version=module[1],
        go_version=parse_version(directive[1]),
        digest=digest.hexdigest(),
    )


def parse_version(text: str) -> Version:
    """The first dotted number in `text`, () when there is none; "go1.26.8 X:y" is (1, 26, 8)."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def dotted(version: Version) -> str:
    """The version as people write it."""
    return ".".join(str(part) for part in version) or "unknown"


def examine_go(go: str, environ: Mapping[str, str], sources: Sources) -> Toolchain:
    """The toolchain at `go`, when it may build `sources`; it is kept from downloading another one.

    Raises:
        Refused: it does not run, or is too old.
    """
    local = {**environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    said = capture([go, "env", "GOVERSION"], env=local)
    version = parse_version(said.text)
    if said.code != 0 or not version:
        raise Refused(f"{go} does not say its version: {said.last_line}")
    if version < sources.go_version:
        raise Refused(
            f"{go} is Go {dotted(version)}, and {sources.program.folder}/go.mod needs "
            f"{dotted(sources.go_version)}"
        )
    return Toolchain(go=go, version=version, environ=local)


def build(sources: Sources, toolchain: Toolchain, target: Path, log: Path, report: Report) -> None:
    """Compile the module into the file `target`, with a line of progress every 10 s.

    Raises:
        Refused: modules cannot be had, the compiler failed, or the deadline of an hour passed.
    """
    fetching = Progress(what="modules fetched", report=report)
    packages = Progress(what="packages found", report=report)

    def on_listing(age_s: float, lines: list[str]) -> None:
        fetched = [line for line in lines if line.startswith("go: downloading ")]
        packages.done += len(lines) - len(fetched)
        fetching.tell(age_s, len(fetched))

    listed = stream(
        [toolchain.go, "list", "-deps", *_tags(sources), sources.program.package],
        log=log,
        deadline_s=BUILD_DEADLINE_S,
        on_second=on_listing,
        cwd=sources.folder,
        env=toolchain.environ,
    )
    if listed.code != 0:
        raise Refused(f"Go cannot get the modules: {reason(listed.text)}; log: {log}")
    compiling = Progress(what=f"of {packages.done} packages compiled", report=report)
    compiled = stream(
        build_command(sources, toolchain, target),
        log=log,
        deadline_s=BUILD_DEADLINE_S,
        on_second=lambda age_s, lines: compiling.tell(age_s, len(lines)),
        cwd=sources.folder,
        env=toolchain.environ,
    )
    if compiled.code != 0:
        raise Refused(f"the build failed: {reason(compiled.text)}; log: {log}")


def says_version(binary: Path, sources: Sources) -> bool:
    """Whether a binary runs, and says the version of these sources."""
    said = capture([str(binary), sources.program.ask])
    return said.code == 0 and sources.version in re.findall(r"\d[\w.+-]*", said.text)


def keep_folder(sources: Sources, toolchain: Toolchain, target: Path) -> None:
    """Copy what the program keeps of its module, when it keeps something.

    Raises:
        Refused: Go does not say where the module lies.
    """
    if not sources.program.keeps:
        return
    asked = (toolchain.go, "-C", str(sources.folder), "list", "-m", "-f", "{{.Dir}}")
    said = capture((*asked, sources.program.module), env=toolchain.environ)
    if said.code != 0 or not said.text.strip():
        raise Refused(f"Go does not say where {sources.program.module} lies: {said.last_line}")
    shutil.copytree(Path(said.last_line) / sources.program.keeps, target)


def build_command(sources: Sources, toolchain: Toolchain, target: Path) -> tuple[str, ...]:
    """The compiler's argv; -v prints a line a package, which is the progress."""
    major, minor = sources.version.split(".")[:2]
    stamps = " ".join(
        "-X " + stamp.format(version=sources.version, major=major, minor=minor)
        for stamp in sources.program.stamps
    )
    flags = ("-v", "-trimpath", "-buildvcs=false", *_tags(sources), "-ldflags", f"-s -w {stamps}")
    return (toolchain.go, "build", *flags, "-o", str(target), sources.program.package)


def _tags(sources: Sources) -> tuple[str, ...]:
    return ("-tags", sources.program.tags) if sources.program.tags else ()


@dataclass(slots=True, kw_only=True)
class Progress:
    """A counter that speaks every 10 s."""

    what: str
    """What is counted, as it stands behind the number."""
    report: Report
    """Where the lines go."""
    done: int = 0
    """The count so far."""
    spoke_s: float = 0.0
    """Age of the command when the last line was said."""

    def tell(self, age_s: float, more: int) -> None:
        """Add to the count; say it when 10 s have passed since it was last said."""
        self.done += more
        if age_s - self.spoke_s >= PROGRESS_EVERY_S:
            self.spoke_s = age_s
            self.report(f"  {age_s:.0f} s: {self.done} {self.what}")


def reason(text: str) -> str:
    """The line of Go's output that says most: the last one that is no progress."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if ": " in line and not line.startswith("go: downloading")]
    return (telling or lines or ["(no output)"])[-1]
