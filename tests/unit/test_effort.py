"""What durability takes is counted from the source, and shown beside who resumes."""

from dataclasses import replace

import pytest

from harness.effort import Effort
from harness.engines.registry import ENGINES
from harness.provide.data import PACKAGE
from harness.results import MatrixResult
from harness.runner.effort import MARK, SHARED_ON_DAPR, config_lines_of, effort_of, lines_of
from reports.effort import effort_table
from reports.html import render_html
from reports.markdown import render_markdown
from tests import report_fixtures as fixtures

SOURCE = '''
import store

# durable: kept-*
FILE = "a"

# durable
@kept
def agent(x):
    """Not a line of code."""
    return x

if FILE:
    a = 1
# durable: kept-sync
elif agent:

    # A comment.
    a = store.find(
        FILE
    )
else:
    a = 3
'''


@pytest.mark.parametrize(("variant", "lines"), [("none", 1), ("kept-async", 2), ("kept-sync", 6)])
def test_marked_statements_are_counted(variant: str, lines: int) -> None:
    """Those of the variant: a decorator alone, an `elif` without its `else`; no blank lines."""
    assert lines_of(SOURCE, variant) == lines


def test_a_mark_above_no_statement_is_told() -> None:
    """It would be counted for nothing."""
    with pytest.raises(ValueError, match="line 2: no statement begins below the mark"):
        lines_of("a = (\n    # durable\n    1)\n", "any")


def test_a_docstring_is_no_code() -> None:
    """Nor is that of a function in a marked class."""
    source = (
        '# durable\nclass A:\n    """Text\n    of two lines."""\n\n'
        '    def b(self):\n        """T."""\n'
    )

    assert lines_of(source, "any") == 2


def test_comments_are_no_configuration() -> None:
    """A component file is counted as it would be without a word of explanation."""
    assert config_lines_of("# What it is.\n\nkind: Component # so\nspec:\n  type: x\n") == 3


def test_every_mark_names_a_variant() -> None:
    """A misspelt one would count nowhere."""
    known = {
        path: {variant for engine in engines for variant in ENGINES[engine].variants}
        for path, engines in (
            *(
                (path, (name,))
                for name in ENGINES
                for path in (PACKAGE / "engines" / name).rglob("*.py")
            ),
            *(
                (PACKAGE / "engines" / name, ("dapr_workflow", "dapr_agents"))
                for name in SHARED_ON_DAPR
            ),
        )
    }
    for path, variants in known.items():
        source = path.read_text()
        for line in source.splitlines():
            if found := MARK.fullmatch(line):
                for pattern in (found["variants"] or "*").split(","):
                    alone = f"# durable: {pattern}\nx = 1"
                    assert any(lines_of(alone, one) for one in variants), (path, line)


def test_who_keeps_nothing_has_no_such_line() -> None:
    """And each that keeps something has."""
    counted = {
        f"{name}:{variant}": effort_of(engine.spec(variant), engine.spec(variant).stores[0])
        for name, engine in ENGINES.items()
        for variant in engine.variants
        if name != "reference"
    }
    forgetful = {"control:naive", "langgraph:none", "crewai:crew", "crewai:flow"}

    assert {name for name, one in counted.items() if not one.code_lines} == forgetful
    assert {name.partition(":")[0] for name, one in counted.items() if one.config_lines} == {
        "dapr_workflow",
        "dapr_agents",
    }


def matrix_with(*efforts: Effort | None) -> MatrixResult:
    run = fixtures.valid_matrix().runs[0]
    return fixtures.matrix_of(
        *(
            replace(run, engine=f"engine{place}", recovery_kind="assisted", effort=effort)
            for place, effort in enumerate(efforts)
        )
    )


def test_the_page_shows_it() -> None:
    """A row an engine; a run without it, such as one of a worker of one's own, has none."""
    matrix = matrix_with(
        Effort(code_lines=21, config_lines=14), Effort(code_lines=0, config_lines=0), None
    )
    table = effort_table(matrix)

    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["engine0", "redis", "whoever submits them again (assisted)", "21", "14"],
        ["engine1", "redis", "whoever submits them again (assisted)", "0", "0"],
    ]
    assert "What durability takes" in render_html(matrix)
    assert "What durability takes" in render_markdown(matrix)
    assert effort_table(matrix_with(None, Effort(code_lines=1, config_lines=1))) is None
