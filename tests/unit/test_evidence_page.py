"""docs/evidence.md is what lies on disk, and its lines answer what they say."""

import re
from enum import IntEnum
from pathlib import Path
from random import Random

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from harness.history import (
    AgentStatus,
    ContextKind,
    ContextRole,
    Kind,
    MessageEvent,
    RequestOutcome,
)
from harness.measures.repeats import repeats
from tests.histories.random_runs import Run, joined
from tests.histories.stored import store

PAGE = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text()
LINES = re.findall(r"```(?:python|sql)\n(.*?)\n```", PAGE, re.DOTALL)


def stored(tmp_path: Path) -> Run:
    run = Run(Random(11), agents=12, kills=4)
    run.play()
    store(run, tmp_path)
    return run


def test_the_line_answers_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many executions beyond the first as the measures count, of every call."""
    run = stored(tmp_path)
    monkeypatch.chdir(tmp_path)

    found = eval(LINES[2], {"pq": pq, "pc": pc})

    counted = repeats(joined(run, run.records))
    assert counted > 0
    assert pc.sum(found["count_all"]).as_py() - found.num_rows == counted


def test_the_other_lines_name_columns_that_there_are(tmp_path: Path) -> None:
    """The libraries are not among the requirements; the columns and the file are."""
    stored(tmp_path)
    columns = set(pq.read_schema(tmp_path / "evidence" / "requests.parquet").names)

    polars, duckdb, _ = LINES
    named = set(re.findall(r'"(\w+)"', polars)) - {"len"}
    assert named == {"mark", "kind", "agent", "path", "turn"} <= columns
    assert all(name in duckdb for name in named)
    assert "evidence/requests.parquet" in polars and "'evidence/requests.parquet'" in duckdb


def test_the_page_names_every_table_and_column(tmp_path: Path) -> None:
    """In the order in which they stand in the file."""
    stored(tmp_path)
    rows = dict(re.findall(r"^\| ([a-z_, ]+) \| ([\w, ]+) \|$", PAGE, re.MULTILINE))
    told = {
        table: columns.split(", ") for key, columns in rows.items() for table in key.split(", ")
    }

    for path in (tmp_path / "evidence").glob("*.parquet"):
        assert told[path.stem] == pq.read_schema(path).names


@pytest.mark.parametrize(
    "kind",
    [Kind, RequestOutcome, MessageEvent, AgentStatus, ContextKind, ContextRole],
)
def test_the_page_names_every_code(kind: type[IntEnum]) -> None:
    """A new code is told there."""
    line = ", ".join(f"{member.value} {member.name.lower().replace('_', ' ')}" for member in kind)

    assert f"| {line} |" in PAGE
