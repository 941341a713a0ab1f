"""The Markdown on the page of a GitHub job: appended where the runner says that it wants it."""

import os
from collections.abc import Mapping
from pathlib import Path

from harness.results import MatrixResult
from reports.pages import append_job_summary

VARIABLE = "GITHUB_STEP_SUMMARY"


def tell_job(
    matrix: MatrixResult, directory: Path, environment: Mapping[str, str] = os.environ
) -> None:
    """Append the summary of a matrix; nothing happens outside of a GitHub job.

    Raises:
        MachineError: the file that the runner named cannot be written.
    """
    path = environment.get(VARIABLE, "")
    if path and not append_job_summary(matrix, directory, Path(path)):
        print(f"{VARIABLE} is full; the summary is in {directory}")
