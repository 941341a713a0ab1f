"""Run a command to its end, with a deadline, as a group that is killed as a group.

Used by the providers and the doctor only; processes that live as long as a run belong to cluster.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.clock import NS_PER_S, Clock, SystemClock

SYSTEM_CLOCK = SystemClock()
TAIL_CHARS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    """Exit status; negative for a signal, 127 when it could not start, 124 past its deadline."""
    text: str
    """Standard output and error together; of a streamed command the last 4,000 characters."""

    @property
    def last_line(self) -> str:
        """The last line that is not empty, for messages."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else "(no output)"


def capture(
    argv: Sequence[str], *, timeout_s: float = 20.0, env: Mapping[str, str] | None = None
) -> Ended:
    """Run a short command and keep all of its output."""
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            env=None if env is None else dict(env),
        )
    except subprocess.TimeoutExpired:
        return Ended(code=124, text=f"no end within {timeout_s:g} s")
    except OSError as error:
        return Ended(code=127, text=f"{argv[0]}: {error.strerror}")
    return Ended(code=done.returncode, text=done.stdout.decode(errors="replace"))


def stream(
    argv: Sequence[str],
    *,
    log: Path,
    deadline_s: float,
    on_second: Callable[[float, list[str]], None],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Ended:
    """Run a long command into a log; each second `on_second` gets its age in s and its new lines.

    It never outlives this call: its group is killed on the way out, and where setpriv is there the
    kernel kills it when the calling thread dies.
    """
    guard = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
    with log.open("ab") as sink, log.open("rb") as source:
        source.seek(0, os.SEEK_END)
        first_byte = source.tell()

        def tick(age_s: float) -> None:
            lines = source.readlines()
            on_second(age_s, [line.decode(errors="replace").rstrip() for line in lines])

        try:
            process = subprocess.Popen(
                [*guard, *argv],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=None if env is None else dict(env),
                start_new_session=True,
            )
        except OSError as error:
            return Ended(code=127, text=f"{argv[0]}: {error.strerror}")
        try:
            code = _wait(process, deadline_s, tick, clock)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        source.seek(first_byte)
        text = source.read().decode(errors="replace")[-TAIL_CHARS:]
    return Ended(code=code, text=text if code != 124 else f"{text}\nno end within {deadline_s:g} s")


def _wait(
    process: "subprocess.Popen[bytes]",
    deadline_s: float,
    tick: Callable[[float], None],
    clock: Clock,
) -> int:
    """Its exit status, or 124 at the deadline; the last tick comes after its end."""
    began_ns = clock.monotonic_ns()
    code: int | None = None
    while code is None:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(timeout=1.0)
        age_s = (clock.monotonic_ns() - began_ns) / NS_PER_S
        tick(age_s)
        if code is None and age_s > deadline_s:
            return 124
    return code
