"""The driver as a process of the run: its orders, its progress, its result."""

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.cluster.processes import Process, Processes
from harness.errors import HarnessError
from harness.load.config import FILE, DriverConfig, encode

STATUS_WAIT_S = 1
"""How long a worker that can do so holds the answer about an agent that is about to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverProgress:
    """live/progress.json of a driver."""

    planned: int = 0
    started: int = 0
    accepted: int = 0
    ended: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """The driver's own delay."""

    ms_p99: float | None = None
    """None when nothing was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSummary:
    """The part of driver-result.json that the harness needs."""

    completed: int
    failed: int
    lateness: Lateness = Lateness()


class Driver:
    """One driver process over one folder."""

    def __init__(self, folder: Path, processes: Processes, *, name: str) -> None:
        """``folder`` gets the driver's files under ``live/``."""
        self._folder = folder
        self._processes = processes
        self._name = name
        self.process: Process | None = None

    @property
    def stop_file(self) -> Path:
        """The driver stops when it appears."""
        return self._folder / "live" / "stop"

    def start(
        self,
        *,
        witness: str,
        programs: Path,
        address_book: Path,
        shape: str,
        rate_per_s: float | None,
        starts_in_flight: int,
        deadline_s: float,
        any_pod_answers: bool,
        holds_status: bool,
    ) -> None:
        """Write the orders and start the process."""
        live = self._folder / "live"
        live.mkdir(parents=True, exist_ok=True)
        orders = DriverConfig(
            witness=witness,
            programs=str(programs),
            pods=str(address_book),
            events=str(live / "driver.jsonl"),
            histograms=str(live / "driver-histograms.json"),
            stop_file=str(self.stop_file),
            deadline_s=deadline_s,
            shape=shape,
            rate_per_s=rate_per_s,
            starts_in_flight=starts_in_flight,
            any_pod_answers=any_pod_answers,
            status_wait_s=STATUS_WAIT_S if holds_status else 0,
        )
        (self._folder / FILE).write_bytes(encode(orders))
        command = (sys.executable, "-m", "harness.load.driver", "--run", str(self._folder))
        self.process = self._processes.start(self._name, command)

    def progress(self) -> DriverProgress:
        """What the driver last said; zeros before its first word."""
        try:
            data = (self._folder / "live" / "progress.json").read_bytes()
        except FileNotFoundError:
            return DriverProgress()
        return msgspec.json.decode(data, type=DriverProgress)

    def ask_to_stop(self) -> None:
        """Let it write its leftovers and end."""
        self.stop_file.touch()

    def result(self) -> DriverSummary:
        """The summary of driver-result.json.

        Raises:
            HarnessError: the driver ended without one.
        """
        path = self._folder / "live" / "driver-result.json"
        assert self.process is not None
        if not path.exists():
            status = self.process.exit.status if self.process.exit else "still running"
            raise HarnessError(
                f"the driver left no result ({status}); its log ends with:\n"
                f"{self.process.last_lines()}"
            )
        return msgspec.json.decode(path.read_bytes(), type=DriverSummary)
