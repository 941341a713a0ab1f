"""Stored runs by the paths that a command names: their folders and results."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.claims import load_claims
from harness.errors import UsageError
from harness.results import MatrixResult, RunResult, decode_matrix, decode_run
from reports.article import judged_claims


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


def _is_name(directory: str) -> bool:
    """Whether it names a folder here, and leads nowhere else."""
    return Path(directory).name == directory and directory not in ("", ".", "..")


def matrix_of(root: Path) -> MatrixResult:
    """A stored matrix with the results of its runs as they are now."""
    stored = decode_matrix((root / "matrix.json").read_bytes(), source=str(root / "matrix.json"))
    strangers = [entry.directory for entry in stored.runs if not _is_name(entry.directory)]
    if strangers:
        raise UsageError(
            f"{root / 'matrix.json'}: a run lies at {strangers[0]!r}, expected a folder of "
            "this directory"
        )
    runs = tuple(result_of(root / entry.directory) for entry in stored.runs)
    matrix = replace(stored, runs=runs)
    return replace(matrix, claims=judged_claims(load_claims(), matrix))
