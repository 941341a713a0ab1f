"""The driver's process: ``python -m harness.load.driver --run DIR``, started by the runner.

Reads DIR/live/driver.json, writes the events, the histograms, DIR/live/progress.json and
DIR/live/driver-result.json. SIGTERM or the stop file end it within two seconds; the agents that
have not ended then are left over as info. Exit codes: 0 done or stopped, 254 a bad configuration,
255 the driver itself broke.
"""

import argparse
import logging
import signal
import sys
from pathlib import Path

from harness.clock import SystemClock
from harness.errors import HarnessError, OnceproofError, UsageError
from harness.load import config


class _Stop:
    """Remembers that the driver was told to stop."""

    def __init__(self) -> None:
        self.is_signalled = False

    def __call__(self, signal_number: int, frame: object) -> None:
        self.is_signalled = True


def main(arguments: list[str] | None = None) -> int:
    """Run the driver for one run's directory; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.load.driver", description=__doc__)
    parser.add_argument(
        "--run", type=Path, required=True, metavar="DIR", help="the run's directory"
    )
    run = parser.parse_args(arguments).run.absolute()
    stop = _Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        _drive(run, stop)
    except OnceproofError as error:
        sys.stderr.write(f"driver: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"driver: {error}\n")
        return HarnessError.exit_code
    return 0


def _drive(run: Path, stop: _Stop) -> None:
    path = run / config.FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"no driver configuration: {error}") from error
    settings = config.decode(data, source=str(path))
    stop_file = run / settings.stop_file
    # Locust takes a second to import, and a SIGTERM in that second must count.
    from harness.load.locustfile import Load  # noqa: PLC0415

    logging.getLogger("locust").setLevel(logging.ERROR)
    load = Load(settings, run, SystemClock())
    load.drive(lambda: stop.is_signalled or stop_file.exists())


if __name__ == "__main__":
    sys.exit(main())
