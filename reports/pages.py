"""Writes the pages of a matrix beside its results."""

from pathlib import Path

from harness.results import MatrixResult
from reports.html import render_html
from reports.markdown import render_markdown


def write_pages(matrix: MatrixResult, directory: Path) -> tuple[Path, ...]:
    """Write report.html and report.md into ``directory``; returns their paths."""
    pages = {"report.html": render_html(matrix), "report.md": render_markdown(matrix)}
    for name, text in pages.items():
        (directory / name).write_text(text)
    return tuple(directory / name for name in pages)
