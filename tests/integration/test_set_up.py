"""Set-up on this machine: a real Redis is proven, the real scripts are run."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness.provide.proof import proven_version
from harness.provide.strays import end_each, look, strays_among

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.integration


def test_a_redis_binary_is_proven_once(tmp_path: Path) -> None:
    """It starts, answers PING and stops; the second time its word is remembered."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH; `make redis` says how to get one")

    version = proven_version(Path(binary), tmp_path / "proven.json")

    assert version
    assert version in (tmp_path / "proven.json").read_text()
    assert proven_version(Path(binary), tmp_path / "proven.json") == version


def test_no_fitting_python_is_one_line(tmp_path: Path) -> None:
    """A Python that is too old is named, with what is expected; nothing is made."""
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup.sh", tmp_path / "scripts")
    bare = tmp_path / "bin"
    bare.mkdir()
    old = bare / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit\nexit 1\n')
    old.chmod(0o755)
    for tool in ("sh", "dirname", "cat", "grep", "sha256sum", "cut"):
        (bare / tool).symlink_to(str(shutil.which(tool)))

    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "scripts" / "setup.sh")],
        env={"PATH": str(bare)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 254
    assert done.stderr.count("\n") == 1
    assert "found Python 3.9.2, expected Python 3.11 to 3.13" in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may run it; the refusal is for other users")
def test_fresh_check_needs_root() -> None:
    """Another user is told so, with the command that works."""
    done = subprocess.run(
        [str(ROOT / "scripts" / "fresh-check.sh")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 254
    assert "sudo make fresh-check" in done.stderr


@contextmanager
def orphan(keeper: str) -> Iterator[int]:
    """A sleeping process that is no child of this one, with the marks of a run."""
    marks = {"ONCEPROOF_RUN": "test-sweep", "ONCEPROOF_KEEPER": keeper}
    shell = "sleep 60 >/dev/null 2>&1 & echo $!"
    said = subprocess.run(
        ["/bin/sh", "-c", shell], env={**os.environ, **marks}, stdout=subprocess.PIPE, check=True
    )
    pid = int(said.stdout)
    handle = os.pidfd_open(pid)
    try:
        yield pid
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)


def test_sweep_ends_what_a_dead_keeper_left_and_nothing_else() -> None:
    """A process whose keeper is dead is ended; one whose keeper lives is spared."""
    (me,) = [process for process in look() if process.pid == os.getpid()]

    with orphan("1.1") as stray, orphan(f"{me.pid}.{me.started}") as watched:
        chosen = [s for s in strays_among(look(), os.getpid()) if s.pid in {stray, watched}]
        end_each(chosen)
        states = {process.pid: process.command for process in look()}

    assert [process.pid for process in chosen] == [stray]
    assert states[watched]
    assert not states.get(stray)
