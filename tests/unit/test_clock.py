"""Clocks: the machine's own and the one that tests move."""

import asyncio

from harness.clock import NS_PER_S, ManualClock, SystemClock


def test_a_manual_clock_moves_when_it_sleeps() -> None:
    """A sleep takes no time and moves both scales by the same amount."""
    clock = ManualClock()
    wall_ns = clock.wall_ns()

    asyncio.run(clock.sleep_s(2.5))

    assert clock.monotonic_ns() == 2.5 * NS_PER_S
    assert clock.wall_ns() - wall_ns == 2.5 * NS_PER_S


def test_a_manual_sleep_lets_others_run() -> None:
    """A poller on a manual clock cannot starve what it waits for."""
    seen: list[object] = []

    async def both() -> None:
        clock = ManualClock()
        async with asyncio.TaskGroup() as group:
            group.create_task(clock.sleep_s(1))
            group.create_task(asyncio.to_thread(lambda: None)).add_done_callback(seen.append)

    asyncio.run(both())

    assert len(seen) == 1


def test_the_systems_clock_never_goes_back() -> None:
    """Durations come from the monotonic scale."""
    clock = SystemClock()
    before = clock.monotonic_ns()

    asyncio.run(clock.sleep_s(0.001))

    assert clock.monotonic_ns() - before >= 1_000_000
    assert clock.wall_ns() > 1_600_000_000 * NS_PER_S
