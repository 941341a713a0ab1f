"""Each mutant is caught by its checker, in the agents that it harmed and in no others."""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.detection import Row, compare, correct_run
from benchmarks.detection_cases import CASES, CLIENT, Case
from harness.checkers import all_anomalies
from harness.engines.reference.adapter import Reference
from harness.engines.reference.mutants import MUTANTS
from harness.engines.reference.planting import Planting, parse_variant
from harness.errors import UsageError
from harness.history import Evidence
from harness.measures.client import misconduct
from tests.histories.build import ask, driver, evidence_of, fired, healed, outcome, tools
from tests.mutants.stage import MIX, play

ROOT = Path(__file__).parents[2]
RATE = 3
IN_PROCESS = [case for case in CASES.values() if not case.needs_process and not case.needs_quota]


def row_of(case: Case, folder: Path, *, kills: int, agents: int = 24) -> Row:
    played = play(
        folder,
        f"{case.mutant}@{RATE}",
        kills=kills,
        agents=agents,
        mix={case.pattern: 1.0} if case.pattern else MIX,
    )
    return compare(
        case.mutant,
        played.evidence,
        all_anomalies(played.evidence),
        planted=played.planted,
        rate=RATE,
        kills=kills,
    )


@pytest.mark.parametrize("case", IN_PROCESS, ids=lambda case: case.mutant)
def test_a_mutant_is_caught_by_its_checker(case: Case, tmp_path: Path) -> None:
    """All that was planted is named by its checker; every other red has its reason on file."""
    row = row_of(case, tmp_path, kills=case.kills)

    assert row.planted
    assert row.missed == frozenset()
    assert row.blamed == ()
    assert set(row.red) <= {case.promise, *case.also}


@pytest.mark.parametrize("case", IN_PROCESS, ids=lambda case: case.mutant)
def test_under_kills_no_correct_agent_is_blamed(case: Case, tmp_path: Path) -> None:
    """Kills around a mutant make no anomaly in the agents that it left alone."""
    assert row_of(case, tmp_path, kills=4).blamed == ()


@pytest.mark.parametrize("seed", range(8))
def test_the_correct_engine_stays_green_under_kills(seed: int, tmp_path: Path) -> None:
    """No checker goes red on the reference, S5 aside, which it does not promise."""
    evidence = play(tmp_path, "default", agents=8 + 3 * seed, kills=seed % 5, seed=seed).evidence

    assert {one.promise for one in all_anomalies(evidence)} <= {"S5"}
    assert all(found.count == 0 for found in misconduct(evidence))


@pytest.mark.parametrize("mutant", ["retry-storm", "ignored-retry-after"])
def test_a_bad_customer_is_caught(mutant: str, tmp_path: Path) -> None:
    """Bad manners are found in the agents that have them, and in no others."""
    played = play(tmp_path, f"{mutant}@{RATE}", requests_per_min=900, mix={"chain": 1.0})
    names = played.evidence.names.agents
    found = {
        names[agent]
        for one in misconduct(played.evidence)
        if one.name == CASES[mutant].anomaly
        for agent in one.agent.tolist()
    }

    planting = Planting(mutant=mutant, rate=RATE)
    assert played.planted
    assert played.planted <= found
    assert all(planting.is_chosen(agent) for agent in found)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_no_false_alarm_in_random_correct_runs(seed: int) -> None:
    """Whatever the mix, the load and the kills; `benchmarks.detection` plays a thousand."""
    with tempfile.TemporaryDirectory() as place:
        assert correct_run(seed, Path(place))[1] == []


def anomalies_of(evidence: Evidence) -> set[tuple[str, str]]:
    return {(one.promise, one.name) for one in all_anomalies(evidence)}


def test_an_effect_of_a_dead_incarnation_is_caught() -> None:
    """What a killed incarnation does after its replacement went on is a zombie's, and S2's too."""
    old, new = "agents-0.1", "agents-0.2"
    late = ask("a1", "2.t0.c0", caller=old, key="k", is_applied=False)
    evidence = evidence_of(
        ask("a1", "1", caller=old),
        ask("a1", "2", 0, caller=old),
        ask("a1", "2.t0.c0", caller=old, key="k"),
        fired(old),
        healed(),
        ask("a1", "2", 1, caller=new),
        late,
        ask("a1", "3", caller=new),
        outcome("a1"),
        programs=[tools("a1", 1)],
    )

    assert anomalies_of(evidence) == {
        ("R", "zombie-effect"),
        ("S2", "recompute-after-use"),
        ("S5", "attempted-twice"),
    }


def test_a_start_that_ran_twice_is_caught() -> None:
    """Two driver POSTs and two living runs from the top are a duplicate start."""
    one, two = "agents-0.2", "agents-0.1"
    evidence = evidence_of(
        fired(two),
        healed(),
        driver("invoke", "a1"),
        ask("a1", "1", caller=one),
        ask("a1", "2", caller=one),
        ask("a1", "1", caller=two),
        ask("a1", "2", caller=two),
        outcome("a1"),
    )

    assert ("S1", "duplicate-start") in anomalies_of(evidence)


def test_every_mutant_has_a_case_and_says_who_catches_it() -> None:
    """The registry, the yardstick and the docstrings say the same."""
    assert tuple(CASES) == tuple(MUTANTS)
    for name, mutant in MUTANTS.items():
        case = CASES[name]
        who = "ClientBehaviour" if case.promise == CLIENT else case.promise
        assert f"Caught by {who}" in " ".join((mutant.__doc__ or "").split())


def test_the_page_has_a_row_for_every_mutant() -> None:
    """docs/detection.md is made anew when a mutant comes: python -m benchmarks.detection."""
    text = (ROOT / "docs" / "detection.md").read_text()

    assert [name for name in MUTANTS if f"| `{name}` | " not in text] == []


def test_same_seed_same_ledger(tmp_path: Path) -> None:
    """The stage has no chance of its own: kills and all, a run can be repeated."""
    first = play(tmp_path / "1", "spinning@5", kills=3).evidence.requests
    second = play(tmp_path / "2", "spinning@5", kills=3).evidence.requests

    assert np.array_equal(first.begin_ns, second.begin_ns)
    assert np.array_equal(first.receipt, second.receipt)


@pytest.mark.parametrize("rate", [1, 7, 50])
def test_about_one_agent_in_rate_is_chosen(rate: int) -> None:
    """The hash spreads evenly; another mutant chooses others."""
    planting = Planting(mutant="stuck", rate=rate)
    names = [f"a{number:06d}" for number in range(20_000)]
    chosen = {name for name in names if planting.is_chosen(name)}

    assert len(chosen) == pytest.approx(20_000 / rate, rel=0.15)
    if rate > 1:
        other = replace(planting, mutant="lost-step")
        assert chosen != {name for name in names if other.is_chosen(name)}


def test_variants_are_read() -> None:
    """A mutant may name its rate; nothing else is taken for one."""
    assert parse_variant("") == ("default", 10)
    assert parse_variant("lost-step") == ("lost-step", 10)
    assert parse_variant("lost-step@50") == ("lost-step", 50)
    assert Reference().spec("lost-step@50").variant == "lost-step@50"


@pytest.mark.parametrize("variant", ["lost-step@0", "lost-step@x", "default@5", "no-such", "@5"])
def test_wrong_variants_are_refused(variant: str) -> None:
    """The message says what is known."""
    with pytest.raises(UsageError, match=r"expected a mutant|known: default"):
        Reference().spec(variant)


@pytest.mark.integration
def test_three_mutants_through_the_real_pipeline() -> None:
    """Real pods, witness, driver, kills; two of the three need a process that outlives its pod."""
    command = (sys.executable, "-m", "benchmarks.detection", "double-commit", "zombie-write")
    done = subprocess.run(
        (*command, "duplicate-start", "--steps", "0", "--runs", "0"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": proven: ") == 3
