"""Make .venv from the hash-pinned requirements, by uv when it is there, else by pip.

Called by setup.sh with any Python 3.11 to 3.13, outside the venv: the standard library only. A line
a stage with its seconds; while packages are installed, a line every 5 s.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements.txt"
NEED_MIB = 2048
CALLER_CAN_MEND = 254


def main() -> int:
    """Make the venv; the exit code."""
    digest = hashlib.sha256(bytes(ROOT)).hexdigest()[:12]
    lock = Path(tempfile.gettempdir()) / f"onceproof-setup-{os.geteuid()}-{digest}.lock"
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            free = shutil.disk_usage(ROOT).free >> 20
            if free < NEED_MIB:
                raise Stop(f"{free} MiB free in {ROOT}, expected {NEED_MIB}; free some")
            uv = shutil.which("uv")
            stage("virtual environment", lambda: make_venv(uv))
            stage("requirements", lambda: install_requirements(uv))
            stage("onceproof itself", lambda: install_project(uv))
        except Stop as stop:
            say(f"setup: {stop}")
            return CALLER_CAN_MEND
    return 0


class Stop(Exception):  # noqa: N818 - a message for the person at the terminal, and the end.
    """What was found, what was expected, and the next move."""


def say(line: str) -> None:
    """A line of progress, at once."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def stage(name: str, work: Callable[[], str]) -> None:
    """Do one stage and say how long it took."""
    say(f"setup: {name} ...")
    began = time.monotonic()
    how = work()
    say(f"setup: {name}: {how}, {time.monotonic() - began:.1f} s")


def make_venv(uv: str | None) -> str:
    """Make .venv unless there is one that runs a Python of ours."""
    fits = "import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 14))"
    if PYTHON.exists() and subprocess.run([PYTHON, "-c", fits], check=False).returncode == 0:
        return "kept"
    shutil.rmtree(VENV, ignore_errors=True)
    if uv is not None:
        run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)])
        return "by uv"
    if importlib.util.find_spec("ensurepip") is None:
        install_venv_package()
    run([sys.executable, "-m", "venv", str(VENV)])
    return f"by {sys.executable} -m venv"


def install_venv_package() -> None:
    """Get what Debian and Ubuntu leave out of their Python; only root can."""
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise Stop(
            f"{sys.executable} cannot make virtual environments; "
            f"install {package} (sudo apt-get install {package}) or uv, then try again"
        )
    say(f"setup: installing {package}")
    install = [apt, "install", "-y", "-qq", package]
    if subprocess.run(install, check=False, stdout=subprocess.DEVNULL).returncode != 0:
        run([apt, "update", "-qq"])
        run(install)


def install_requirements(uv: str | None) -> str:
    """Install every pinned package, checked by hash."""
    count = sum("==" in line for line in REQUIREMENTS.read_text().splitlines())
    if uv is not None:
        # No `sync`: it would remove what a developer has added.
        pins = ["--require-hashes", "-r", str(REQUIREMENTS)]
        run([uv, "pip", "install", "--python", str(PYTHON), *pins])
        return f"up to {count} packages by uv"
    pip = [str(PYTHON), "-m", "pip", "install", "--progress-bar", "off", "--no-input"]
    run([*pip, "--require-hashes", "-r", str(REQUIREMENTS)], of=count)
    return f"up to {count} packages by pip"


def install_project(uv: str | None) -> str:
    """Install the checkout itself, editable, with nothing downloaded."""
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    if uv is not None:
        run([uv, "pip", "install", "--python", str(PYTHON), *flags])
    else:
        run([str(PYTHON), "-m", "pip", "install", *flags])
    return "editable"


def run(argv: Sequence[str], *, of: int = 0) -> None:
    """Run a command; with `of`, count pip's packages, else show its lines; on failure, its end."""
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    assert process.stdout is not None
    tail: list[str] = []
    collected, spoke, has_all = 0, time.monotonic(), False
    for line in process.stdout:
        tail = [*tail[-20:], line.rstrip()]
        collected += line.startswith("Collecting ")
        if of and not has_all and time.monotonic() - spoke >= 5.0:
            spoke = time.monotonic()
            say(f"setup:   {collected} of up to {of} packages found")
        if line.startswith("Installing collected packages"):
            has_all = True
            say(f"setup:   writing {collected} packages")
    if process.wait() != 0:
        errors = [line for line in tail if line.lower().startswith("error")] or tail
        raise Stop(f"{' '.join(map(str, argv[:4]))} failed: " + " / ".join(errors[-3:]))


if __name__ == "__main__":
    sys.exit(main())
