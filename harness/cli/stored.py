"""Stored runs by the paths that a command names: their folders and results."""

from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.results import RunResult, decode_run


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
