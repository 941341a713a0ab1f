"""The chart's Job: the run's exit code is its own, and results wait until they are taken."""

import contextlib
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

JOB = "harness.cluster.kubernetes.job"
WRITE = "import pathlib, sys; pathlib.Path(sys.argv[1], 'page').write_text('red'); sys.exit(3)"
HOLD = f"""
import sys
from {JOB} import Path, run_and_hold
sys.exit(run_and_hold(tuple(sys.argv[2:]), Path(sys.argv[1]), hold_s=60))
"""


@contextlib.contextmanager
def held(runs: Path, program: str) -> Iterator["subprocess.Popen[str]"]:
    """A job that runs a program on the folder of runs, and then waits for a minute."""
    command = (sys.executable, "-c", HOLD, str(runs), sys.executable, "-c", program, str(runs))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as job:
        try:
            yield job
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)


def until(job: "subprocess.Popen[str]", words: str) -> None:
    assert job.stdout is not None
    assert any(words in line for line in job.stdout)


def test_results_are_taken_and_the_job_ends_as_its_run_did(tmp_path: Path) -> None:
    """What was written comes out whole, of an image without a tar; the wait ends at once."""
    runs = tmp_path / "runs"
    runs.mkdir()
    archive = tmp_path / "runs.tar.gz"
    with held(runs, WRITE) as job:
        until(job, "exit code 3; the results wait")
        with archive.open("wb") as out:
            take = (sys.executable, "-m", JOB, "--runs", str(runs), "take")
            subprocess.run(take, stdout=out, check=True, timeout=30)
        assert job.wait(timeout=30) == 3

    with tarfile.open(archive) as tar:
        assert {one.name: one.size for one in tar} == {"page": 3}


def test_a_job_that_is_stopped_stops_its_run_and_does_not_wait(tmp_path: Path) -> None:
    """As it removes what it deployed when it is asked to end, and the kubelet waits for that."""
    page = "pathlib.Path(sys.argv[1], 'page')"
    program = (
        "import pathlib, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\nprint('runs', flush=True)\n"
        f"signal.sigwait({{signal.SIGTERM}})\n{page}.write_text('swept')\nsys.exit(2)"
    )
    with held(tmp_path, program) as job:
        until(job, "runs")
        os.kill(job.pid, signal.SIGTERM)
        assert job.wait(timeout=30) == 2

    assert (tmp_path / "page").read_text() == "swept"
