"""Writes the forms of a report beside the results they are made of.

Called by the command line after a matrix and by `onceproof report`. The only module of reports that
writes files; each is replaced whole, so a reader never sees half a page.
"""

from collections.abc import Iterator
from pathlib import Path

from harness.capacity.record import CapacityResult
from harness.capacity.record import encode as encode_capacity
from harness.drafts import write_whole
from harness.errors import MachineError
from harness.results import MatrixResult
from reports import compare
from reports.capacity_forms import render_capacity_html, render_capacity_markdown
from reports.comparison import comparison_drawings
from reports.drawing import file_png, file_svg
from reports.gate import GateResult
from reports.gate_forms import decode_gate, encode_gate, gate_suite, render_gate_markdown
from reports.html import render_html
from reports.junit import render_junit, render_suites
from reports.markdown import render_markdown
from reports.plots import run_drawings

PAGE = "report.html"
SUMMARY = "report.md"
CASES = "junit.xml"
GATE = "gate.json"
PLOTS = "plots"
JOB_SUMMARY_MAX = 1024 * 1024
"""Bytes of a step's summary on GitHub; more of them and none is shown."""


def write_pages(matrix: MatrixResult, directory: Path) -> tuple[Path, ...]:
    """Write report.html, report.md and junit.xml into ``directory``; their paths, the page first.

    The page has a section for the gate when its outcome lies there.

    Raises:
        MachineError: the directory takes no file; nothing half-written is left.
        UsageError: there is an outcome of a gate that cannot be read.
    """
    gated = directory / GATE
    gate = decode_gate(gated.read_bytes(), source=str(gated)) if gated.exists() else None
    forms = {
        PAGE: render_html(matrix, directory, gate),
        SUMMARY: render_markdown(matrix, directory),
        CASES: render_junit(matrix, directory),
    }
    return tuple(write_whole(directory / name, text.encode()) for name, text in forms.items())


def write_junit(matrix: MatrixResult, directory: Path, path: Path) -> Path:
    """Write the cases to a file of the caller's choice.

    Raises:
        MachineError: it cannot be written.
    """
    return write_whole(path, render_junit(matrix, directory).encode())


def write_gate(result: GateResult, directory: Path) -> tuple[Path, ...]:
    """Write gate.md, gate.json and gate.xml (JUnit) into ``directory``; their paths.

    Raises:
        MachineError: it cannot be written.
    """
    forms = {
        "gate.md": render_gate_markdown(result).encode(),
        GATE: encode_gate(result),
        "gate.xml": render_suites("gate", [gate_suite(result)]).encode(),
    }
    return tuple(write_whole(directory / name, data) for name, data in forms.items())


def write_capacity(result: CapacityResult, directory: Path) -> tuple[Path, ...]:
    """Write capacity.html, capacity.md and capacity.json into ``directory``; the page first.

    Raises:
        MachineError: it cannot be written.
    """
    forms = {
        "capacity.html": render_capacity_html(result).encode(),
        "capacity.md": render_capacity_markdown(result).encode(),
        "capacity.json": encode_capacity(result),
    }
    return tuple(write_whole(directory / name, data) for name, data in forms.items())


def write_text(path: Path, data: bytes) -> Path:
    """Write a file of the caller's choice, whole or not at all.

    Raises:
        MachineError: it cannot be written.
    """
    return write_whole(path, data)


def append_text(text: str, path: Path) -> bool:
    """Append to what GitHub shows of a job's step; False when it is full.

    Raises:
        MachineError: the file cannot be written.
    """
    data = text.encode()
    try:
        size = path.stat().st_size if path.exists() else 0
        if size + len(data) > JOB_SUMMARY_MAX:
            return False
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise _refused(path, error) from error
    return True


def write_plots(matrix: MatrixResult, directory: Path) -> tuple[Path, ...]:
    """Write every plot of the page as SVG and PNG into ``directory``/plots.

    Raises:
        MachineError: it cannot be written.
    """
    folder = directory / PLOTS
    if folder.is_symlink():
        raise MachineError(f"{folder} is a link; nothing is written through it: remove it")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise _refused(folder, error) from error
    return tuple(write_whole(folder / name, data) for name, data in plot_files(matrix))


def plot_files(matrix: MatrixResult) -> Iterator[tuple[str, bytes]]:
    """Name and content of every plot of the page."""
    groups = [("comparison", comparison_drawings(matrix))]
    groups += [
        (column.anchor, run_drawings(column.run))
        for column in compare.columns(matrix)
        if column.run.state == "judged"
    ]
    for stem, drawings in groups:
        for drawing in drawings:
            yield f"{stem}-{drawing.key}.svg", file_svg(drawing)
            yield f"{stem}-{drawing.key}.png", file_png(drawing)


def append_job_summary(matrix: MatrixResult, directory: Path, path: Path) -> bool:
    """Append the Markdown to what GitHub shows of a job's step; False when it is full.

    Raises:
        MachineError: the file cannot be written.
    """
    return append_text(render_markdown(matrix, directory), path)


def _refused(path: Path, error: OSError) -> MachineError:
    return MachineError(
        f"{path}: {error.strerror}; free the disk or mend the rights, then `onceproof report RUN`"
    )
