"""Writes the forms of a report beside the results they are made of.

Called by the command line after a matrix and by `onceproof report`. The only module of reports that
writes files; each is replaced whole, so a reader never sees half a page.
"""

from pathlib import Path

from harness.errors import MachineError
from harness.results import MatrixResult
from reports.html import render_html
from reports.markdown import render_markdown

PAGE = "report.html"
SUMMARY = "report.md"


def write_pages(matrix: MatrixResult, directory: Path) -> tuple[Path, ...]:
    """Write report.html and report.md into ``directory``; returns their paths, the page first.

    Raises:
        MachineError: the directory takes no file; nothing half-written is left.
    """
    forms = {PAGE: render_html(matrix, directory), SUMMARY: render_markdown(matrix, directory)}
    return tuple(_write(directory / name, text) for name, text in forms.items())


def _write(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(text.encode())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise MachineError(
            f"{path}: {error.strerror}; free the disk or mend the rights, then "
            f"`onceproof report {path.parent}`"
        ) from error
    return path
