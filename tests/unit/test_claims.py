"""The claims page: verdicts come from results, and each row says what decides it."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.claims import Article, Claim, ClaimTest, Sample, SampleOutcome, load_claims
from harness.errors import UsageError
from harness.results import MatrixResult, RunResult
from harness.runner.samples import run_samples
from reports.article import findings, judged_claims, render_claims
from scenarios import SCENARIOS
from scenarios.matrices import MATRICES
from tests import report_fixtures as fixtures
from tests.report_parts import TRACED

FALLS = ClaimTest(scenario="pod_kill", engine="langgraph:none", promise="S2", confirms="invalid")
HOLDS = ClaimTest(scenario="pod_kill", engine="langgraph:none", promise="S2")


def article(*tests: ClaimTest, not_tested: str = "", samples: tuple[str, ...] = ()) -> Article:
    claim = Claim(
        place="here", quote="can lose", tests=tests, not_tested=not_tested, samples=samples
    )
    sample = Sample(name="one", place="there", names=("json.loads",), code="import json\n")
    return Article(schema=1, source="an article", samples=(sample,), claims=(claim,))


def matrix(
    verdict: str, *, engine: str = "langgraph", started: str = "1", version: str = "1.2"
) -> MatrixResult:
    whole = fixtures.valid_matrix()
    run: RunResult = whole.runs[0]
    rows = tuple(
        replace(row, verdict=verdict, violations_count=3 * (verdict == "invalid"))
        if row.key == "S2"
        else row
        for row in run.promises
    )
    run = replace(
        run,
        scenario="pod_kill",
        engine=engine,
        variant="none",
        state="judged",
        promises=rows,
        environment={"started": started, "worker langgraph": version},
    )
    return replace(whole, runs=(run,), command="onceproof run --matrix engines --out /x")


@pytest.mark.parametrize(
    ("test", "verdict", "word"),
    [
        (HOLDS, "valid", "supported"),
        (HOLDS, "invalid", "contradicted"),
        (HOLDS, "unknown", "unknown"),
        (FALLS, "invalid", "supported"),
        (FALLS, "valid", "contradicted"),
        (FALLS, "unknown", "unknown"),
    ],
)
def test_a_result_confirms_or_contradicts(test: ClaimTest, verdict: str, word: str) -> None:
    """Unknown is neither, whichever way the claim goes."""
    (found,) = findings(article(test), [matrix(verdict)])

    assert found.word == word
    assert found.engine == "langgraph:none; langgraph 1.2"
    assert found.repeat == "onceproof run --matrix engines"


@pytest.mark.parametrize(
    ("older", "newer", "word", "told"),
    [
        ("invalid", "valid", "contradicted", "so in 1 of 2 runs"),
        ("valid", "unknown", "supported", "so in 1 of 2 runs"),
        ("valid", "valid", "supported", "so in 2 of 2 runs"),
        ("unknown", "unknown", "unknown", ""),
    ],
)
def test_of_several_runs_a_broken_promise_counts_first(
    older: str, newer: str, word: str, told: str
) -> None:
    """A later run that kept it does not mend it; and what was decided counts before unknown."""
    runs = [matrix(newer, started="2"), matrix(older, started="1")]

    (found,) = findings(article(HOLDS), runs)

    assert found.word == word
    assert found.strength.rpartition("; ")[2] == told or not told


def test_runs_of_other_versions_are_not_quoted() -> None:
    """The newest run's versions count; what another one broke is its own."""
    runs = [matrix("valid", started="2", version="1.3"), matrix("invalid", started="1")]

    (found,) = findings(article(HOLDS), runs)

    assert (found.word, found.engine) == ("supported", "langgraph:none; langgraph 1.3")


def test_without_a_run_nothing_is_confirmed() -> None:
    """No run, or a reason not to test, is said, never guessed."""
    found = findings(article(HOLDS, not_tested="no cluster"), [matrix("valid", engine="crewai")])

    assert [(one.word, one.strength) for one in found] == [
        ("not tested", "not tested: no run of it here"),
        ("not tested", "not tested here: no cluster"),
    ]


def test_a_sample_never_confirms() -> None:
    """A name that is not there contradicts; a sample that runs shows no more than that."""
    told = SampleOutcome(name="one", outcome="ImportError: x", absent=("a.b",), versions={})
    page = render_claims(article(samples=("one",)), [], [told])

    assert "✗ contradicted | ImportError: x; not there: a.b" in page
    assert "? unknown" in render_claims(
        article(samples=("one",)), [], [replace(told, outcome="ran to its end", absent=())]
    )


def test_a_matrixs_claims_need_two_engines_of_the_article() -> None:
    """A matrix of something else has none."""
    one = matrix("valid")
    two = replace(one, runs=(*one.runs, replace(one.runs[0], engine="crewai")))

    assert judged_claims(article(HOLDS), one) == ()
    (judged,) = judged_claims(article(HOLDS, not_tested="no cluster"), two)
    assert (judged.verdict, judged.runs) == ("supported", (one.runs[0].name,))


def test_the_committed_claims_can_be_read() -> None:
    """Every claim has a test, a sample or a reason; the comparison table has its 15 cells."""
    claims = load_claims().claims

    assert len([one for one in claims if one.place.startswith("Comparison, ")]) == 15


def test_each_test_of_a_claim_is_a_run_that_a_command_makes() -> None:
    """What neither a matrix nor a scenario of its own runs decides nothing."""
    made = {
        (
            next((one[5:] for one in entry.overrides if one.startswith("name=")), entry.scenario),
            f"{entry.cell.engine}:{entry.cell.variant}",
            broker,
            store,
            entry.cell.platform,
        )
        for matrix in MATRICES.values()
        for entry in matrix.entries
        for broker in ("", entry.cell.broker)
        for store in ("", entry.cell.store)
    }
    asked = {
        (test.scenario, test.engine, test.broker, test.store, test.platform)
        for claim in load_claims().claims
        for test in claim.tests
        if test.scenario not in SCENARIOS or test.broker or test.store or test.platform != "local"
    }

    assert asked - made == set()


def test_no_claim_rests_on_what_a_plain_loop_keeps() -> None:
    """Started anew from the top, it keeps L, S1, S3 and R over any kill: control:naive shows it."""
    struck = {name for name, scenario in SCENARIOS.items() if scenario.faults} | {
        named
        for matrix in MATRICES.values()
        for entry in matrix.entries
        if SCENARIOS[entry.scenario].faults and "faults=[]" not in entry.overrides
        for named in [
            next((one[5:] for one in entry.overrides if one.startswith("name=")), entry.scenario)
        ]
    }
    decided = {
        (claim.place, claim.quote): {
            test.promise for test in claim.tests if test.promise and test.scenario in struck
        }
        for claim in load_claims().claims
    }

    assert {
        key for key, promises in decided.items() if promises and not promises & {"S2", "S5", "M"}
    } == set()


def test_agents_that_were_not_waited_for_contradict_nothing() -> None:
    """A run that ended before their time is unknown; one in which an agent gave up is not."""
    test = ClaimTest(scenario="pod_kill", engine="langgraph:none", figure="completed")
    whole = matrix("valid")
    cut = replace(
        whole.runs[0],
        agents_completed=1990,
        agents_failed=0,
        agents_unfinished=10,
        promises=tuple(
            replace(row, verdict="unknown", reason="ended before their time")
            if row.key == "L"
            else row
            for row in whole.runs[0].promises
        ),
    )

    (found,) = findings(article(test), [replace(whole, runs=(cut,))])
    (failed,) = findings(article(test), [replace(whole, runs=(replace(cut, agents_failed=1),))])

    assert (found.word, failed.word) == ("unknown", "contradicted")
    assert found.strength.endswith("; ended before their time")


def test_the_platform_is_part_of_a_test() -> None:
    """A run on local pods says nothing of Kubernetes, nor the other way round."""
    test = replace(HOLDS, platform="kubernetes")
    here = matrix("valid")
    there = replace(here, runs=(replace(here.runs[0], platform="kubernetes"),))

    assert [one.word for one in findings(article(test), [here])] == ["not tested"]
    assert [one.word for one in findings(article(test), [there])] == ["supported"]
    assert [one.word for one in findings(article(HOLDS), [there])] == ["not tested"]


def test_a_broker_is_part_of_a_test() -> None:
    """A run over another broker does not decide."""
    test = replace(HOLDS, broker="kafka")
    one = matrix("valid")
    kafka = replace(one, runs=(replace(one.runs[0], broker="kafka"),))

    assert [found.word for found in findings(article(test), [one])] == ["not tested"]
    (found,) = findings(article(test), [one, kafka])
    assert (found.word, found.test) == ("supported", "pod_kill over kafka, S2")


def test_a_store_is_part_of_a_test() -> None:
    """A run on another store does not decide."""
    test = replace(HOLDS, store="postgres")
    one = matrix("valid")
    postgres = replace(one, runs=(replace(one.runs[0], store="postgres"),))

    assert [found.word for found in findings(article(test), [one])] == ["not tested"]
    (found,) = findings(article(test), [one, postgres])
    assert (found.word, found.test) == ("supported", "pod_kill on postgres, S2")


@pytest.mark.parametrize(
    ("spanned", "survived", "problems", "words"),
    [
        (10, 4, (), ["supported", "supported"]),
        (9, 3, (), ["contradicted", "contradicted"]),
        (10, 4, ("torn",), ["unknown", "unknown"]),
    ],
)
def test_spans_decide(
    spanned: int, survived: int, problems: tuple[str, ...], words: list[str]
) -> None:
    """All steps with a span, and all traces that go on; damaged spans decide nothing."""
    tests = [
        ClaimTest(scenario="pod_kill", engine="langgraph:none", figure=figure)
        for figure in ("spanned", "outlives")
    ]
    one = matrix("valid")
    tracing = replace(
        TRACED,
        problems=problems,
        spans_count=40,
        steps_count=10,
        steps_spanned_count=spanned,
        interrupted_count=4,
        survived_count=survived,
    )
    traced = replace(one, runs=(replace(one.runs[0], tracing=tracing),))

    assert [found.word for found in findings(article(*tests), [traced])] == words
    assert {found.word for found in findings(article(*tests), [one])} == {"unknown"}


def test_a_sample_that_is_not_run_says_why() -> None:
    """Only Python is run; another sample without a reason is refused."""
    printed = Sample(name="one", place="there", language="yaml", not_run="no cluster", code="a: 1")
    page = render_claims(replace(article(samples=("one",)), samples=(printed,)), [], [])

    assert "⊘ not tested | not run: no cluster" in page
    assert "```yaml" in page
    assert run_samples([printed]) == []


def test_everything_wrong_with_claims_is_told(tmp_path: Path) -> None:
    """An unknown promise, sample or word is no claim."""
    path = tmp_path / "claims.yaml"
    path.write_text(
        "{schema: 1, source: x, samples: [], claims: [{place: p, quote: q, samples: [z], "
        "tests: [{scenario: s, engine: e, promise: S9, confirms: maybe}]}]}"
    )

    with pytest.raises(UsageError, match=r"unknown sample 'z'.*'S9'.*'maybe'"):
        load_claims(path)
