"""What the chart's Job runs: `onceproof run`, and then a wait until somebody has taken the results.

`python3 -m harness.cluster.kubernetes.job run --hold-s SECONDS -- WORDS...` ends with the run's
exit code; `... job take > runs.tar.gz`, by `kubectl exec`, writes /runs to its output and ends the
wait. It needs no shell and no tar in the image.
"""

import argparse
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from threading import Event

from harness.clock import NS_PER_S, SystemClock

RUNS = Path("/runs")
TAKEN = ".taken"
LOOK_S = 0.5
ENDS = (signal.SIGTERM, signal.SIGINT)


def main(arguments: list[str] | None = None) -> int:
    """Do what the first word says; the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m harness.cluster.kubernetes.job")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the runs")
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run", help="a run, and the wait for somebody to take its results")
    run.add_argument("--hold-s", type=float, default=0.0)
    run.add_argument("words", nargs="+", help="after --, as for `onceproof run`")
    actions.add_parser("take", help="write all runs to the output, as a tar, and end the wait")
    asked = parser.parse_args(arguments)
    if asked.action == "take":
        take(asked.runs)
        return 0
    command = (sys.executable, "-m", "harness", "run", *asked.words)
    return run_and_hold(command, asked.runs, hold_s=asked.hold_s)


def run_and_hold(command: tuple[str, ...], runs: Path, *, hold_s: float) -> int:
    """Run it, wait until its results are taken, for ``hold_s`` at most; its exit code.

    SIGTERM and SIGINT go to the run while it lasts, and end the wait after it.
    """
    is_stopped = Event()
    child: list[subprocess.Popen[bytes]] = []

    def stop(number: int, _frame: object) -> None:
        is_stopped.set()
        for one in child:
            one.send_signal(number)

    before = {number: signal.signal(number, stop) for number in ENDS}
    try:
        (runs / TAKEN).unlink(missing_ok=True)
        child.append(subprocess.Popen(command))
        if is_stopped.is_set():
            child[0].terminate()
        code = child[0].wait()
        if code < 0:
            code = 255
        if hold_s and not is_stopped.is_set() and any(runs.iterdir()):
            say(f"exit code {code}; the results wait in {runs} for {hold_s:g} s, take them with:")
            say("kubectl exec POD -- python3 -m harness.cluster.kubernetes.job take > runs.tar.gz")
            was_taken = _until((runs / TAKEN).exists, is_stopped, hold_s)
            say("the results were taken" if was_taken else "nobody took the results")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code


def _until(is_so: Callable[[], bool], is_stopped: Event, limit_s: float) -> bool:
    clock = SystemClock()
    until_ns = clock.monotonic_ns() + int(limit_s * NS_PER_S)
    while not is_so():
        if is_stopped.is_set() or clock.monotonic_ns() > until_ns:
            return False
        is_stopped.wait(LOOK_S)
    return True


def take(runs: Path) -> None:
    """Write everything below ``runs`` to the output, whole, and then say so to who waits."""
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|gz") as tar:
        for path in sorted(runs.iterdir()):
            if path.name != TAKEN:
                tar.add(path, arcname=path.name)
    sys.stdout.buffer.flush()
    (runs / TAKEN).touch()


def say(line: str) -> None:
    """To the Job's log, at once."""
    print(f"job: {line}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
