"""Every anomaly has a history that shows it, and a twin beside it that shows nothing."""

import pytest

from harness.checkers import CHECKERS, all_anomalies, run_checkers
from harness.checkers.telling import MEANINGS
from harness.measures.timeline import timelines_of
from harness.verdict import Verdict
from tests.histories.golden import GOLDEN
from tests.naive_judge import judge


def test_no_anomaly_is_without_its_pair() -> None:
    """A new anomaly brings its red history and its green twin."""
    assert set(GOLDEN) == set(MEANINGS)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_red_history_is_named_by_its_promise(name: str) -> None:
    """Nothing else is said of it than what the pair says, and its promise is refuted by it."""
    pair = GOLDEN[name]

    found = all_anomalies(pair.red)

    assert {one.name for one in found} == {name, *pair.also}
    assert {one.promise for one in found if one.name == name} == {pair.promise}
    assert CHECKERS[pair.promise].check(pair.red).verdict is Verdict.INVALID
    assert {finding[1] for finding in judge(pair.red)} == {name, *pair.also}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_green_twin_shows_nothing(name: str) -> None:
    """Without what makes the anomaly no promise falls, its own least of all."""
    assert [check.reason for check in run_checkers(GOLDEN[name].green) if check.anomalies] == []
    assert CHECKERS[GOLDEN[name].promise].check(GOLDEN[name].green).verdict is Verdict.VALID


@pytest.mark.parametrize("name", GOLDEN)
def test_each_anomaly_has_its_words_and_its_picture(name: str) -> None:
    """The excerpt says who, where and what it means; the agent has its time axis."""
    told = next(one for one in all_anomalies(GOLDEN[name].red) if one.name == name)

    assert told.text.startswith(f"agent {told.agent}")
    assert MEANINGS[name] in told.text
    assert len(told.text.split(": ")) > 2 or name == "lost-start"
    assert [picture.agent for picture in timelines_of(GOLDEN[name].red, [told.agent])] == [
        told.agent
    ]
