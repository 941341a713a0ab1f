"""Each way in which a broker can be wrong is caught, in the messages that it spoiled alone."""

from pathlib import Path

import numpy as np
import pytest

from harness.checkers import all_anomalies, run_checkers
from harness.checkers.telling import MEANINGS
from harness.history import Declared, Evidence
from harness.measures.messages import figures_of
from harness.verdict import CheckResult, Verdict
from tests.mutants.broker import SWITCHES, Mailing
from tests.mutants.stage import Played, play

STRICT = Declared(delivery="exactly once", is_ordered=True)
LOOSE = Declared(delivery="at least once", is_ordered=True)


def played(folder: Path, switch: str = "", *, kills: int = 0, **more: object) -> Played:
    declared = LOOSE if kills else STRICT
    return play(
        folder,
        "default",
        agents=18,
        kills=kills,
        mix={"chain": 1.0},
        mailing=Mailing(switch=switch),
        declared=declared,
        **more,  # type: ignore[arg-type]
    )


def found(evidence: Evidence) -> set[tuple[str, str, str]]:
    return {
        (one.name, one.agent, one.path) for one in all_anomalies(evidence) if one.promise == "M"
    }


def m_of(evidence: Evidence) -> CheckResult:
    return next(one for one in run_checkers(evidence) if one.promise == "M")


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_wrong_broker_is_caught(switch: str, tmp_path: Path) -> None:
    """All that was spoiled is named, and nothing else of promise M."""
    run = played(tmp_path, switch)

    assert run.spoiled
    assert found(run.evidence) == run.spoiled
    assert m_of(run.evidence).verdict is Verdict.INVALID


@pytest.mark.parametrize("switch", SWITCHES)
def test_under_kills_no_right_message_is_blamed(switch: str, tmp_path: Path) -> None:
    """What a kill has delivered again, or started again, is none of the broker's doing."""
    run = played(tmp_path, switch, kills=4)

    assert found(run.evidence) <= run.spoiled


@pytest.mark.parametrize("seed", range(6))
def test_a_right_broker_stays_green_under_kills(seed: int, tmp_path: Path) -> None:
    """No promise falls but S5, which the engine never gave."""
    evidence = played(tmp_path, kills=seed % 5, seed=seed).evidence

    assert {one.promise for one in all_anomalies(evidence)} <= {"S5"}
    assert m_of(evidence).verdict is Verdict.VALID
    figures = figures_of(evidence)
    assert figures is not None
    assert figures.delivered_count == figures.acknowledged_count == 18 * 4
    assert figures.dead_letters_count > 0
    assert figures.disagreements == ()


def test_every_anomaly_of_messages_has_its_switch() -> None:
    """A new one needs a broker that makes it."""
    names = list(MEANINGS)
    assert list(SWITCHES.values()) and set(SWITCHES.values()) == set(
        names[names.index("lost-message") :]
    )


def test_same_seed_same_messages(tmp_path: Path) -> None:
    """The broker has no chance of its own."""
    first = played(tmp_path / "1", "reorder", kills=3).evidence.messages
    second = played(tmp_path / "2", "reorder", kills=3).evidence.messages

    assert np.array_equal(first.t_ns, second.t_ns)
    assert np.array_equal(first.what, second.what)
