"""The image that workers run from: this Python, the packages that a worker needs, our sources.

The harness may run from it, too, for which it has more of each, and the programs that it starts.
Layers, from the one that changes least: a change of ours rewrites the last one only. Packages
are copied from the environment that runs onceproof, so that a worker in a pod has the versions of a
worker outside. Modules are compiled beforehand, as a pod may not write beside them.
"""

import hashlib
import importlib.metadata
import platform
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.errors import MachineError, UsageError
from harness.provide.cache import locked, need_free, remove_tree
from harness.provide.chain import Report
from harness.provide.command import capture
from harness.provide.data import PACKAGE
from harness.provide.onenode.archives import Image, Layer, read_layer, write_archive, write_layer
from harness.provide.redis import find_redis

NAME, WHOLE_NAME = "localhost/onceproof-worker", "localhost/onceproof-harness"
DISTRIBUTION = "onceproof"
PYTHON = "/usr/local/bin/python3"
SOURCES, PACKAGES = "opt/onceproof", "opt/packages"
OURS = ("harness", "mock_llm")
HARNESS_TOO = ("components", "reports", "scenarios")
"""Of the checkout; where onceproof is installed, components lie in the package."""
BASE = ("aiohttp", "dapr", "dapr-ext-workflow", "faker", "httpx", "msgspec", "numpy", "pyyaml")
"""What every worker of ours imports, beside uvloop, and Dapr's SDK."""
HARNESS_EXTRA = "kubernetes"
EXTRAS = {
    "dapr_agents": "dapr-agents",
    "langgraph": "langgraph",
    "dbos": "dbos",
    "crewai": "crewai",
}
"""Engines that need an extra of ours."""
LEFT_OUT = {"__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "site-packages"}
LEFT_OUT_ALSO = ("config-", "_tkinter.", "_curses", "readline.")
ROOMY_BYTES = 3 << 30
ARCHIVES_MAX = 4
COMPILE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerImage:
    """The image, in the archive and under the name it has there."""

    archive: Path
    name: str
    """localhost/onceproof-worker:<first 16 of its digest>, or onceproof-harness."""


def find_worker_image(
    cache: Path, engines: Sequence[str], report: Report, *, has_harness: bool = False
) -> WorkerImage:
    """The worker's image for these engines, written when it is not in the cache.

    Raises:
        UsageError: an engine is asked for whose packages are not installed here.
        MachineError: too little disk; for the harness, no Redis is to be had, or no setpriv.
    """
    folder = cache / "onenode" / "worker"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = needed(roots(engines, has_harness=has_harness))
    ours = (*OURS, *HARNESS_TOO) if has_harness else OURS
    name = WHOLE_NAME if has_harness else NAME
    programs = _programs(report) if has_harness else {}
    with locked(folder / ".lock", report):
        python = _layer(folder, "python", _python_key(), _stage_python, report)
        versions = " ".join(f"{one.name}=={one.version}" for one in wanted)
        packages = _layer(
            folder, "packages", versions, lambda stage: _stage_packages(stage, wanted), report
        )
        layers = [python, packages]
        if programs:
            key = " ".join(_digest(path) for path in programs.values())
            layers.append(
                _layer(folder, "programs", key, lambda stage: _stage(stage, programs), report)
            )
        sources = _layer(
            folder,
            "sources",
            sources_digest(ours),
            lambda stage: _stage_sources(stage, ours),
            report,
        )
        image = Image(
            layers=(*layers, sources),
            entrypoint=(PYTHON,),
            environ={
                "HOME": "/tmp",  # CrewAI writes there when it is imported; the user has no other.
                "LD_LIBRARY_PATH": "/usr/local/lib",
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": f"/{SOURCES}:/{PACKAGES}",
                "PYTHONUNBUFFERED": "1",
            },
        )
        mark = image.digest[:16]
        archive = folder / f"worker-{mark}.tar"
        if not archive.exists():
            write_archive(archive, image, [f"{name}:{mark}"])
            report(f"wrote {archive} ({archive.stat().st_size >> 20} MB)")
            remove_oldest(folder.glob("worker-*.tar"))
    return WorkerImage(archive=archive, name=f"{name}:{mark}")


def remove_oldest(archives: Iterable[Path]) -> None:
    """Every change of ours is another archive; those that no cluster is likely to import now go."""
    for archive in sorted(archives, key=lambda one: one.stat().st_mtime_ns)[:-ARCHIVES_MAX]:
        archive.unlink()


def roots(engines: Sequence[str], *, has_harness: bool = False) -> list[Requirement]:
    """The packages that workers of these engines, and the harness, ask for by name."""
    extras = {EXTRAS[engine] for engine in engines if engine in EXTRAS}
    extras |= {HARNESS_EXTRA} if has_harness else set()
    found = [Requirement(name) for name in (*BASE, "uvloop")]
    for text in importlib.metadata.requires(DISTRIBUTION) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None and has_harness:
            found.append(requirement)
        if marker and any(marker.evaluate({"extra": extra}) for extra in extras):
            found.append(requirement)
    return found


def needed(asked: Iterable[Requirement]) -> list[importlib.metadata.Distribution]:
    """These packages and all that they require, as installed here, in order of their names.

    Raises:
        UsageError: some are not installed; all of them are named.
    """
    found: dict[str, importlib.metadata.Distribution] = {}
    missing: list[str] = []
    done: set[tuple[str, frozenset[str]]] = set()
    open_ = list(asked)
    while open_:
        requirement = open_.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in done:
            continue
        done.add((name, extras))
        try:
            found[name] = importlib.metadata.distribution(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        for text in found[name].requires or ():
            below = Requirement(text)
            if below.marker is None or any(
                below.marker.evaluate({"extra": extra}) for extra in (extras or {""})
            ):
                open_.append(below)
    if missing:
        raise UsageError(
            f"the worker's image needs {', '.join(sorted(missing))}, which this environment lacks; "
            "install onceproof with the extras of the engines, or name other engines"
        )
    return [found[name] for name in sorted(found)]


def sources_digest(ours: Sequence[str] = OURS) -> str:
    """SHA-256 of our sources, which is the key of their layer."""
    total = hashlib.sha256()
    for name, path in _sources(ours):
        total.update(f"{name}\0".encode() + path.read_bytes())
    return total.hexdigest()


def libraries(paths: Iterable[Path]) -> dict[str, Path]:
    """Shared libraries of the system that these files load, by the path they are looked for at."""
    found: dict[str, Path] = {}
    for path in paths:
        for line in capture(["ldd", str(path)]).text.splitlines():
            if named := re.search(r"(?:^\s*|=> )(/(?:usr/)?lib\S*) \(0x", line):
                found[named[1].lstrip("/")] = Path(named[1]).resolve()
    return found


def _layer(
    folder: Path, kind: str, key: str, stage: Callable[[Path], None], report: Report
) -> Layer:
    """The cached layer of this key, or one of what `stage` lays out."""
    mark = hashlib.sha256(f"{key} {_python_key()}".encode()).hexdigest()[:16]
    tar = folder / f"{kind}-{mark}.layer"
    if tar.exists():
        return read_layer(tar)
    need_free(folder, ROOMY_BYTES, "the worker's image")
    work, fresh = folder / f".stage-{kind}", folder / f".fresh-{kind}"
    remove_tree(work)
    try:
        work.mkdir()
        stage(work)
        _compile(work)
        layer = write_layer(fresh, files={}, trees=[("", work)])
        fresh.replace(tar)
    finally:
        remove_tree(work)
    report(f"wrote the layer of {kind} ({tar.stat().st_size >> 20} MB)")
    return Layer(tar=tar, digest=layer.digest)


def _python_key() -> str:
    return f"{platform.python_version()} {sys.base_prefix} {platform.libc_ver()}"


def _stage_python(stage: Path) -> None:
    """This interpreter, its library without tests, and the libraries of the system."""
    local = stage / "usr/local"
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copytree(Path(sysconfig.get_path("stdlib")), local / "lib" / name, ignore=_left_out)
    (local / "bin").mkdir()
    binary = Path(sys.executable).resolve()
    shutil.copy2(binary, local / "bin" / name)
    (local / "bin/python3").symlink_to(name)
    shared = Path(sysconfig.get_config_var("LIBDIR"), str(sysconfig.get_config_var("INSTSONAME")))
    if shared.exists() and ".so" in shared.name:
        shutil.copy2(shared, local / "lib" / shared.name)
    extensions = (local / "lib" / name / "lib-dynload").glob("*.so")
    _copy_libraries(stage, [binary, *extensions])


def _stage_packages(stage: Path, wanted: Sequence[importlib.metadata.Distribution]) -> None:
    target = stage / PACKAGES
    for one in wanted:
        for file in one.files or ():
            if ".." in file.parts or LEFT_OUT & set(file.parts):
                continue
            source = Path(str(file.locate()))
            if source.is_file():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / file)
    _copy_libraries(stage, target.rglob("*.so*"))


def _programs(report: Report) -> dict[str, Path]:
    """What the harness starts, by the path that it has in the image."""
    redis = find_redis(None, report).argv
    setpriv = shutil.which("setpriv")
    if redis is None or setpriv is None:
        raise MachineError("the harness needs setpriv: install the package util-linux")
    found = {"usr/local/bin/redis-server": redis[0], "usr/bin/setpriv": setpriv}
    return {name: Path(path).resolve() for name, path in found.items()}


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _stage(stage: Path, files: Mapping[str, Path]) -> None:
    for name, path in files.items():
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, stage / name)
    _copy_libraries(stage, files.values())


def _stage_sources(stage: Path, ours: Sequence[str]) -> None:
    for name, path in _sources(ours):
        target = stage / SOURCES / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _sources(ours: Sequence[str]) -> Iterator[tuple[str, Path]]:
    root = PACKAGE.parent
    for package in ours:
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(root)), path


def _copy_libraries(stage: Path, paths: Iterable[Path]) -> None:
    for name, source in libraries(paths).items():
        if not source.is_relative_to(stage):
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, stage / name)


def _left_out(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in LEFT_OUT or name.startswith(LEFT_OUT_ALSO)}


def _compile(stage: Path) -> None:
    """Compile every module below, so that no date decides whether it is taken."""
    argv = ("-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash")
    places = ("-s", str(stage), "-p", "/", str(stage))
    ended = capture((sys.executable, *argv, *places), timeout_s=COMPILE_S)
    if ended.code == 127:
        raise MachineError(f"modules cannot be compiled: {ended.last_line}")
