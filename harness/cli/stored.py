"""Stored runs by the paths that a command names: their folders, plans and results."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.plan import Plan
from harness.results import RunResult, decode_run


def plan_of(root: Path) -> Plan:
    """The plan of a run.

    Raises:
        UsageError: it is no run's folder, or of another version.
    """
    try:
        return msgspec.json.decode((root / "plan.json").read_bytes(), type=Plan)
    except OSError as error:
        raise UsageError(
            f"{root}: no plan.json ({error.strerror}); name the folder of a run"
        ) from error
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"{root / 'plan.json'}: {error}; expected a plan of this version"
        ) from error


def run_folders(paths: Sequence[Path]) -> list[Path]:
    """Runs as named; a matrix stands for all of its runs."""
    folders = []
    for path in paths:
        inner = sorted(entry.parent for entry in path.glob("*/plan.json"))
        folders += inner or [path]
    return folders


def result_of(root: Path) -> RunResult:
    """The results of a run.

    Raises:
        UsageError: there are none, or they are of another version.
    """
    try:
        data = (root / "results.json").read_bytes()
    except OSError as error:
        raise UsageError(f"{root}: no results.json; run `onceproof check {root}` first") from error
    return decode_run(data, source=str(root / "results.json"))
