"""The gate on the page: its verdict, what decides it, and nothing of it in a page without one."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from reports.gate import GateResult, Settings, gate
from reports.gate_finding import FAIL, Finding
from reports.gate_forms import VERDICTS, decode_gate, encode_gate
from reports.gate_section import gate_section
from reports.html import render_html
from reports.pages import write_gate, write_pages
from tests import report_fixtures as fixtures
from tests.gate_fixtures import baseline, repeats
from tests.report_parts import HOSTILE


def result_of(**values: float) -> GateResult:
    return gate(
        baseline(), repeats(values=dict(values)), against="f.json: reason", settings=Settings()
    )


@pytest.mark.parametrize("code", sorted(VERDICTS))
def test_each_verdict_stands_on_the_page(code: int) -> None:
    """In words, in a section of its own that comes before the figures."""
    page = render_html(
        fixtures.matrix_of(fixtures.valid_run()), None, replace(result_of(), exit_code=code)
    )
    section = page[page.index('<section id="gate"') :]

    assert VERDICTS[code].split(":")[0] in section
    assert f"Exit code {code}." in section
    assert page.index('id="verdicts"') < page.index('id="gate"') < page.index('id="environment"')


def test_what_failed_is_what_decides() -> None:
    """It is above the fold; what passed is in the whole table only."""
    section = gate_section(result_of(agent_ms_p50=14_000.0))

    assert section is not None and section.deciding is not None
    assert [row[3].text for row in section.deciding.rows] == ["agent_ms_p50"]
    assert len(section.whole.rows) > 5
    passed = gate_section(result_of())
    assert passed is not None
    assert passed.deciding is None


def test_a_page_that_was_not_gated_has_no_section() -> None:
    """Nothing is claimed of a gate that was not asked."""
    assert 'id="gate"' not in render_html(fixtures.matrix_of(fixtures.valid_run()))


def test_a_strangers_words_are_escaped() -> None:
    """In cell, figure and text."""
    finding = Finding(kind="cost", cell=HOSTILE, name=HOSTILE, state=FAIL, text=HOSTILE)
    gated = replace(result_of(), findings=(finding,), against=HOSTILE)
    page = render_html(fixtures.matrix_of(fixtures.valid_run()), None, gated)

    assert "<script>alert" not in page
    assert len(re.findall("&lt;script&gt;alert", page)) >= 4


def test_the_outcome_beside_the_results_is_shown(tmp_path: Path) -> None:
    """Written by the gate, read by the page; one that cannot be read is said, not left out."""
    matrix = fixtures.matrix_of(fixtures.valid_run())
    write_gate(result_of(), tmp_path)
    page, *_ = write_pages(matrix, tmp_path)
    assert 'id="gate"' in page.read_text()

    (tmp_path / "gate.json").write_bytes(encode_gate(result_of())[:-20])
    with pytest.raises(UsageError, match=r"gate\.json: .*gate again"):
        write_pages(matrix, tmp_path)


def test_an_outcome_of_another_version_is_refused() -> None:
    """A word that this version does not know is no verdict of it."""
    assert decode_gate(encode_gate(result_of()), source="x") == result_of()
    with pytest.raises(UsageError, match="exit code 9"):
        decode_gate(encode_gate(replace(result_of(), exit_code=9)), source="x")
