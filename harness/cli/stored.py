"""Stored runs by the paths that a command names: their folders and results."""

import os
import shlex
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


def stored_of(root: Path) -> MatrixResult:
    """A stored matrix, or one run as a matrix of its own."""
    if (root / "matrix.json").exists():
        return matrix_of(root)
    only = result_of(root)
    return MatrixResult(
        name=only.scenario,
        seed=only.seed,
        started_utc=only.environment.get("started", ""),
        duration_s=only.load_s,
        command=only.repeat_command,
        exit_code=only.exit_code,
        runs=(only,),
    )


def joined(stored: Sequence[MatrixResult], roots: Sequence[Path], root: Path) -> MatrixResult:
    """Several stored matrices as one, whose page is to lie in ``root``.

    Raises:
        UsageError: they are of several seeds, so that nothing on the page would be of one plan.
    """
    seeds = sorted({matrix.seed for matrix in stored})
    if len(seeds) > 1:
        named = ", ".join(map(str, seeds))
        raise UsageError(f"runs of the seeds {named}: name runs of one seed, which a page is of")
    runs = [
        replace(run, directory=os.path.relpath(_folder_of(path, run), root))
        for matrix, path in zip(stored, roots, strict=True)
        for run in matrix.runs
    ]
    found = MatrixResult(
        name="+".join(dict.fromkeys(matrix.name for matrix in stored)),
        seed=seeds[0],
        started_utc=min(matrix.started_utc for matrix in stored),
        duration_s=round(sum(matrix.duration_s for matrix in stored), 1),
        command=shlex.join(["onceproof", "report", *map(str, roots), "-o", str(root)]),
        exit_code=worst_of([matrix.exit_code for matrix in stored]),
        runs=tuple(runs),
    )
    return replace(found, claims=judged_claims(load_claims(), found))


def worst_of(codes: Sequence[int]) -> int:
    """Of several exit codes: 255, 254, 1, 3, 2, 0 in this precedence."""
    return next((code for code in (255, 254, 1, 3, 2) if code in codes), 0)


def _folder_of(root: Path, run: RunResult) -> Path:
    """Of a run of a matrix, or of the one run that was named itself."""
    return root / run.directory if (root / "matrix.json").exists() else root


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
