"""Programs that come as wheels: checked by hash, in a folder of their own, never in a venv."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path

from harness.clock import NS_PER_S
from harness.provide.chain import Refused, Report
from harness.provide.command import SYSTEM_CLOCK, capture

DEADLINE_S = 900.0
# The wheels hold programs, not extensions: any CPython 3.11 wheel serves every Python we run on.
WHEEL_PYTHON = "3.11"
OUT_OF_REACH = ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "dns error")


def install_wheel(pins: Path, target: Path, report: Report) -> None:
    """Install what `pins` names into `target`, checked against its hashes.

    Raises:
        Refused: neither pip nor uv is there, or the download failed; `target` may be half full.
    """
    name = re.findall(r"^[\w.-]+==[\w.]+", pins.read_text(encoding="utf-8"), re.MULTILINE)[0]
    began_ns = SYSTEM_CLOCK.monotonic_ns()
    ended = capture([*_installer(), "--target", str(target), *_limits(pins)], timeout_s=DEADLINE_S)
    if ended.code != 0:
        raise Refused(f"{name} could not be installed: {reason(ended.text)}")
    seconds = (SYSTEM_CLOCK.monotonic_ns() - began_ns) / NS_PER_S
    report(f"{name}: installed into {target} in {seconds:.0f} s")


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


def reason(text: str) -> str:
    """What pip or uv says of its failure, in one line; an index out of reach is called that."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "× ", "╰─▶"))]
    said = (errors or lines or ["(no output)"])[-1]
    if any(sign in text for sign in OUT_OF_REACH):
        return f"the package index cannot be reached ({said})"
    return said
