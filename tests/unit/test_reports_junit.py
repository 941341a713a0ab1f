"""JUnit XML: well-formed, counted right, and red exactly where a build must be."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from reports.junit import Case, Suite, render_junit
from tests import report_fixtures as fixtures
from tests.report_big import ALL


@pytest.mark.parametrize("name", ALL)
def test_totals_are_those_of_the_cases(name: str) -> None:
    """Whatever the strings of strangers, it is XML; each total counts its kind."""
    root = ElementTree.fromstring(render_junit(ALL[name]()))

    for suite in root.iter("testsuite"):
        cases = list(suite.iter("testcase"))
        assert cases[0].get("name") == "run completed"
        assert int(suite.get("tests", "")) == len(cases)
    for kind, total in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(root.get(total, "")) == len(list(root.iter(kind)))


def outcomes(run: fixtures.RunResult) -> dict[str, str]:
    """Name of a case up to its colon -> passed | failure | error | skipped."""
    root = ElementTree.fromstring(render_junit(fixtures.matrix_of(run)))
    return {
        case.get("name", "").split(":")[0]: case[0].tag if len(case) else "passed"
        for case in root.iter("testcase")
    }


def test_promised_and_refuted_is_a_failure() -> None:
    """S1 and S2 fail; S5, never promised, fails nobody; S4 has nothing to judge."""
    found = outcomes(fixtures.invalid_run())

    assert (found["S1"], found["S2"], found["S3"]) == ("failure", "failure", "passed")
    assert (found["S4"], found["S5"]) == ("skipped", "skipped")


def test_unknown_is_no_pass() -> None:
    """A promise that could not be judged is an error, and so is an assumption that was not met."""
    found = outcomes(fixtures.unknown_run())

    assert found["L"] == found["S1"] == "error"
    assert found["assumption"] in ("error", "passed")
    assert "error" in found.values()


def test_what_did_not_run_is_told_apart() -> None:
    """Skipped is skipped, failed is an error; neither has promises."""
    assert outcomes(fixtures.unjudged_run()) == {"run completed": "skipped"}
    assert outcomes(fixtures.unjudged_run("failed")) == {"run completed": "error"}


def test_failure_has_witness_and_command() -> None:
    """Who reads the tab sees one violation, and what shows the whole agent."""
    root = ElementTree.fromstring(render_junit(fixtures.invalid_matrix()))

    failure = next(root.iter("failure"))
    assert failure.get("message") == "123 violations in 10,000 steps"
    assert "$ onceproof explain" in (failure.text or "")


def test_control_characters_never_break_the_file() -> None:
    """XML 1.0 has no place for them, even escaped."""
    run = replace(fixtures.unjudged_run(), state_reason="a\x00b\x1bc\ufffe")

    assert "a" in render_junit(fixtures.matrix_of(run))
    ElementTree.fromstring(render_junit(fixtures.matrix_of(run)))


def test_a_gate_adds_its_suite() -> None:
    """Behind the runs, counted with them."""
    gate = Suite(name="gate", cases=(Case(name="p99", outcome="failure", message="slower"),))

    root = ElementTree.fromstring(render_junit(fixtures.valid_matrix(), more=(gate,)))

    assert [suite.get("name") for suite in root][-1] == "gate"
    assert root.get("failures") == "1"
