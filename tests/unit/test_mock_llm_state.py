"""What the witness keeps in memory: latencies, progress, the feed of ended agents, settings."""

import asyncio
import statistics

import pytest

from mock_llm import config as configs
from mock_llm.latency import Latencies, unit
from mock_llm.progress import NS_PER_S, EndedAgent, EndsFeed, Progress


def _draw(latencies: Latencies, agent: str, turn: int = 0) -> float:
    return latencies.draw_ms(agent, "1", turn, median_ms=100, sigma=0.5, floor_ms=20)


def test_latency_does_not_depend_on_the_order_of_arrival() -> None:
    """Steps that come in another order draw what they drew before."""
    forward, backward = Latencies(7), Latencies(7)
    agents = [f"a{number}" for number in range(20)]

    there = {agent: _draw(forward, agent) for agent in agents}
    back = {agent: _draw(backward, agent) for agent in reversed(agents)}

    assert there == back


def test_latency_of_the_next_attempt_is_another() -> None:
    """Attempts of one turn differ, and each is the same in the next run."""
    first, second = Latencies(7), Latencies(7)
    draws = [_draw(first, "a1") for _ in range(3)]

    assert len(set(draws)) == 3
    assert draws == [_draw(second, "a1") for _ in range(3)]


def test_latency_is_lognormal_above_its_floor() -> None:
    """Median and spread are those asked for; nothing is below the floor."""
    latencies = Latencies(7)
    draws = [_draw(latencies, f"a{number}") for number in range(2000)]

    assert min(draws) >= 20
    assert statistics.median(draws) == pytest.approx(100, rel=0.05)


def test_latency_without_spread() -> None:
    """Sigma 0 is the median, a median of 0 is the floor."""
    latencies = Latencies(7)

    assert latencies.draw_ms("a", "1", 0, median_ms=50, sigma=0, floor_ms=0) == 50
    assert latencies.draw_ms("a", "1", 0, median_ms=0, sigma=1, floor_ms=3) == 3


def test_unit_is_fixed() -> None:
    """The draw is part of the plan's promise: the same seed waits the same in every version."""
    assert unit(7, "a1", "1", 0, 0) == pytest.approx(0.5084450462979038, abs=1e-15)


def test_unused_until_seen() -> None:
    """An answer counts as unused until its receipt shows up; then all its attempts are used."""
    progress = Progress()
    progress.answer("p.0", 5, is_final=True, now_ns=0)
    progress.answer("p.1", 5, is_final=True, now_ns=0)
    progress.answer("p.1", 6, is_final=False, now_ns=0)

    assert progress.unused == {"p.0": 1, "p.1": 2}
    progress.use([5, 99])
    assert progress.unused == {"p.1": 1}
    assert (progress.answered_steps, progress.answered_turns) == (2, 3)


def test_in_flight_by_caller() -> None:
    """Begun and not ended; callers at zero are not kept."""
    progress = Progress()
    progress.begin("p.0")
    progress.begin("p.0")
    progress.end("p.0", "answered")

    assert progress.in_flight == {"p.0": 1}
    progress.end("p.0", "limited")
    assert progress.in_flight == {}
    assert progress.ended == {"answered": 1, "limited": 1}


def test_undelivered_are_acknowledged_and_nowhere_seen() -> None:
    """In whatever order they are told: what was delivered first does not wait for anything."""
    progress = Progress()
    for what, id in (
        ("delivered", "a/1"),
        ("acknowledged", "a/1"),
        ("acknowledged", "a/2"),
        ("acknowledged", "a/3"),
        ("publishing", "a/4"),
        ("dead_letter", "a/3"),
        ("residue", "a/2"),
    ):
        progress.message(what, id)

    assert progress.undelivered == 1
    progress.message("delivered", "a/2")
    assert progress.undelivered == 0
    assert progress.messages["acknowledged"] == 3


def test_poison_is_undelivered_until_it_is_a_dead_letter() -> None:
    """A handler that has it refuses it: only its publisher says that it is poison."""
    progress = Progress()
    progress.message("publishing", "a/1", is_poison=True)
    for what in ("acknowledged", "delivered", "delivered"):
        progress.message(what, "a/1")

    assert progress.undelivered == 1
    progress.message("dead_letter", "a/1")
    assert progress.undelivered == 0


def test_answers_per_second() -> None:
    """A mean over the last five whole seconds, the current one left out."""
    progress = Progress()
    for second in range(10):
        progress.answer("p", second, is_final=True, now_ns=second * NS_PER_S)

    assert progress.answers_per_s(9 * NS_PER_S) == 1.0
    assert progress.answers_per_s(100 * NS_PER_S) == 0.0


def test_feed_wakes_its_waiters() -> None:
    """A long poll returns with the next end, and with nothing when its time is up."""

    async def scene() -> tuple[list[EndedAgent], list[EndedAgent], list[EndedAgent]]:
        feed = EndsFeed()
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(feed.wait(0, 5))
            await asyncio.sleep(0)
            feed.add(EndedAgent(3, "a1", "p.0"))
        feed.add(EndedAgent(8, "a2", "p.0"))
        return waiting.result(), feed.after(3), await feed.wait(8, 0.01)

    first, later, none = asyncio.run(scene())

    assert [end.seq for end in first] == [3]
    assert [end.agent for end in later] == ["a2"]
    assert none == []


def test_settings_are_checked() -> None:
    """Unknown names and impossible values are named; a change keeps the rest."""
    config = configs.parse(b'{"latency_ms_median": 5, "requests_per_minute": 3}')

    assert configs.changed(config, b'{"requests_per_minute": null}').latency_ms_median == 5
    for text in (b'{"latency": 1}', b'{"burst": 0}', b'{"latency_sigma": -1}', b"[]", b"{"):
        with pytest.raises(configs.ConfigError, match=r"known settings|JSON object"):
            configs.changed(config, text)
    assert configs.parse(configs.render(config).encode()) == config
