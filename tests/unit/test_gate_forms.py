"""The forms of a gate: the verdict first, then what failed, in a width and a syntax that hold."""

from dataclasses import replace
from xml.etree import ElementTree

import msgspec
import pytest

from reports.gate import GateResult, Settings, gate
from reports.gate_finding import FAIL, PASS, Finding
from reports.gate_forms import (
    VERDICTS,
    encode_gate,
    gate_suite,
    render_gate_markdown,
    render_gate_text,
)
from reports.junit import render_suites
from tests.gate_fixtures import baseline, repeats
from tests.report_parts import HOSTILE


def result_of(**values: float) -> GateResult:
    return gate(
        baseline(), repeats(values=dict(values)), against="f.json: reason", settings=Settings()
    )


@pytest.mark.parametrize("code", sorted(VERDICTS))
def test_the_verdict_comes_first_and_the_code_last(code: int) -> None:
    """Each has its words."""
    lines = render_gate_text(replace(result_of(), exit_code=code)).splitlines()

    assert lines[0] == VERDICTS[code]
    assert lines[-1] == f"exit code {code}"


def test_what_failed_is_told_with_its_figures() -> None:
    """Ratio, interval, tolerance, repeats, and the correction; what passed is counted."""
    text = " ".join(render_gate_text(result_of(agent_ms_p50=10_500.0)).split())

    assert "✗ FAIL timing: pod_kill.dapr_workflow:default.redis.none: agent_ms_p50: x1.50 [" in text
    assert "tolerance x1.10, 3 runs against 3, Holm over 5: p " in text
    assert "timing: 1 fail, 4 pass" in text
    assert "tokens_per_agent" not in text
    assert "tokens_per_agent" in render_gate_text(result_of(), is_whole=True)


def test_the_noise_is_told() -> None:
    """With the slow-down that it lets these repeats find."""
    text = " ".join(render_gate_text(result_of()).split())

    assert "noise: agent_ms_p50 of pod_kill.dapr_workflow:default.redis.none: 1.0% between" in text
    assert "3 a side find a slow-down of" in text


def test_no_line_is_longer_than_a_hundred_signs() -> None:
    """However long the reasons are."""
    finding = Finding(kind="cost", cell="c", name="n", state=FAIL, text="word " * 90)
    result = replace(result_of(), findings=(finding,))

    assert max(map(len, render_gate_text(result).splitlines())) <= 100


def test_the_markdown_is_one_table_whatever_stands_in_it() -> None:
    """Bars, newlines and tags of a stranger break nothing."""
    finding = Finding(kind="cost", cell=HOSTILE, name="a|b", state=FAIL, text="x\ny")
    text = render_gate_markdown(replace(result_of(), findings=(finding,), noise=()))
    rows = [line for line in text.splitlines() if line.startswith("| ✗")]

    assert len(rows) == 1
    assert "<script" not in text
    assert rows[0].replace("\\|", "").count("|") == 6


def test_each_finding_is_a_case() -> None:
    """A failure fails, what is undecided is an error, a note is skipped; XML holds."""
    states = {"a": FAIL, "b": PASS, "c": "inconclusive", "d": "not comparable", "e": "note"}
    findings = tuple(
        Finding(kind="cost", cell="c", name=name, state=state, text=HOSTILE)
        for name, state in states.items()
    )
    xml = render_suites("gate", [gate_suite(replace(result_of(), findings=findings))])
    suite = ElementTree.fromstring(xml).find("testsuite")

    assert suite is not None
    counted = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counted == ["5", "1", "2", "1"]


def test_the_json_has_its_schema() -> None:
    """And every finding."""
    found = msgspec.json.decode(encode_gate(result_of()))

    assert found["schema"] == 1
    assert found["exit_code"] == 0
    assert {one["state"] for one in found["findings"]} == {"pass"}
