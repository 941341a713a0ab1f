"""For each anomaly a red history, which shows it and no other of its promise, and its green twin.

The twin differs in what makes the anomaly, and shows none of any promise: so each line that a
checker draws is drawn between two histories that stand side by side here.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.history import Declared, Evidence
from harness.scenario import Program, Step
from mock_llm.receipts import tag
from tests.histories.build import (
    CALLER,
    Told,
    ask,
    begin,
    chain,
    counted,
    driver,
    end,
    evidence_of,
    fan_out,
    fired,
    forged,
    healed,
    message,
    note,
    outcome,
    sent,
    tools,
)

Entries = list[tuple[str, str, int, int]]
NEXT = "agents-0.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One anomaly's pair."""

    promise: str
    red: Evidence
    green: Evidence
    also: tuple[str, ...] = ()
    """Other anomalies that the red history shows, of any promise."""


def _timer() -> Program:
    """A step, ten seconds of waiting, a step."""
    return Program(
        agent="a1",
        steps=(
            Step(path="1", kind="say"),
            Step(path="w", kind="wait", after=("1",), wait_s=10.0),
            Step(path="2", kind="say", after=("1",)),
        ),
    )


def _event() -> Program:
    """A step, an event, a step that heeds it."""
    return Program(
        agent="a1",
        steps=(
            Step(path="1", kind="say"),
            Step(path="e", kind="receive"),
            Step(path="2", kind="say", after=("1", "e")),
        ),
    )


def _call(number: int, *, key: str = "k", **more: object) -> list[Told]:
    """A tool loop of one turn, its call made ``number`` times."""
    calls = [ask("a1", "2.t0.c0", key=key, is_applied=not one, **more) for one in range(number)]
    return [ask("a1", "1"), ask("a1", "2"), *calls, ask("a1", "2", 1), ask("a1", "3")]


def _run(*told: Told, programs: tuple[Program, ...] = ()) -> Evidence:
    return evidence_of(*told, programs=programs)


def _killed(*before: Told, after: tuple[Told, ...]) -> Evidence:
    """A pod dies between the two; what follows is its replacement's."""
    return evidence_of(*before, fired(CALLER), healed(), *after, outcome("a1"))


def _of_tools(*told: Told) -> Evidence:
    return evidence_of(*told, outcome("a1"), programs=[tools("a1", turns=1)])


def _leaked(entries: Entries) -> Entries:
    return [*entries, ("u", "x", tag("a2", "1"), -1)]


def _doubled(entries: Entries) -> Entries:
    return [*entries, entries[-1]]


def _forged(entries: Entries) -> Entries:
    return [*entries, ("u", "r", forged("a1", "1", 7), 3)]


def _waits(seconds: int) -> list[Told]:
    return [driver("invoke", "other") for _ in range(seconds)]


ONE, TWO, OTHER = ask("a1", "1"), ask("a1", "2"), chain("other", "1")
DONE = _run(ONE, TWO, outcome("a1"))
FAN = (fan_out("a1"),)
FANNED = _run(
    ONE, ask("a1", "2.b0"), ask("a1", "2.b1"), ask("a1", "3"), outcome("a1"), programs=FAN
)
CALLED = _of_tools(*_call(1))
AGAIN = _killed(begin("a1", "1"), after=(ask("a1", "1", caller=NEXT), ask("a1", "2", caller=NEXT)))
"""Killed before the first step was used: what comes again is excused."""
HEARD = _run(ONE, ask("a1", "e", kind="event"), TWO, outcome("a1"), programs=(_event(),))
WAITED = evidence_of(
    ONE, *_waits(12), TWO, outcome("a1"), ask("other", "1"), outcome("other"),
    programs=[_timer(), OTHER],
)  # fmt: skip

STRICT = Declared(delivery="exactly once", is_ordered=True)
LOOSE = Declared(delivery="at least once")


def _messages(*told: Told, declared: Declared = STRICT, end: Told | None = None) -> Evidence:
    """An agent that runs as it should, and messages beside it; what is left is counted last."""
    last = counted() if end is None else end
    return evidence_of(ONE, *told, TWO, outcome("a1"), last, declared=declared)


def _started(*told: Told) -> Evidence:
    """An agent of two steps that a message starts."""
    return evidence_of(*told, counted(), programs=[chain("a1", "1", "2")], declared=STRICT)


FIRST, SECOND = ({"key": "k", "number": number} for number in (0, 1))
VENOM = (
    message("publishing", "a1/v", is_poison=True),
    message("acknowledged", "a1/v"),
    message("delivered", "a1/v"),
)
SENT = (sent("a1/m0", **FIRST), sent("a1/m1", **SECOND))
HAD = (message("delivered", "a1/m0"), message("delivered", "a1/m1"))
ARRIVED = _messages(*SENT, *HAD)
STARTED = (sent("a1/start"), message("delivered", "a1/start"))
RIGHT_START = _started(*STARTED, ONE, TWO, outcome("a1"))
DEAD = message("dead_letter", "a1/m0")
BOUND = note("retry-bound", "b", {"deliveries_max": 2})

GOLDEN: dict[str, Golden] = {
    "lost-start": Golden(promise="L", red=_run(programs=(chain("a1", "1", "2"),)), green=DONE),
    "spinning": Golden(
        promise="L",
        red=_run(ONE, *[TWO] * 11),
        green=DONE,
        also=("repeat-without-fault",),
    ),
    "lost-timer": Golden(promise="L", red=_run(ONE, programs=(_timer(),)), green=WAITED),
    "lost-event": Golden(
        promise="L",
        red=_run(ONE, ask("a1", "e", kind="event"), programs=(_event(),)),
        green=HEARD,
    ),
    "stuck": Golden(promise="L", red=_run(ONE, programs=(chain("a1", "1", "2"),)), green=DONE),
    "orphan-child": Golden(
        promise="L",
        red=_run(ONE, outcome("a1", "failed"), TWO, ask("a1", "3")),
        green=_run(ONE, outcome("a1", "failed"), TWO, programs=(chain("a1", "1", "2", "3"),)),
    ),
    "lost-step": Golden(
        promise="S1",
        red=_run(ONE, ask("a1", "2", context=[("u", "m", tag("a1", "2"), -1)]), outcome("a1")),
        green=DONE,
    ),
    "double-commit": Golden(
        promise="S1",
        red=_run(
            ONE,
            ask("a1", "2.b0"),
            ONE,
            ask("a1", "2.b1"),
            ask("a1", "3"),
            outcome("a1"),
            programs=FAN,
        ),
        green=FANNED,
        also=("recompute-after-use", "repeat-without-fault"),
    ),
    "forked-lineage": Golden(
        promise="S1",
        red=_run(ONE, TWO, ONE, TWO, outcome("a1")),
        green=DONE,
        also=("recompute-after-use", "repeat-without-fault"),
    ),
    "false-terminal": Golden(
        promise="S1", red=_run(ONE, TWO, outcome("a1", receipt=0, mark=-1)), green=DONE
    ),
    "duplicate-start": Golden(
        promise="S1",
        red=_run(driver("invoke", "a1"), ONE, TWO, ask("a1", "3"), ONE, TWO, outcome("a1")),
        green=_run(driver("invoke", "a1"), ONE, TWO, outcome("a1")),
        also=("recompute-after-use", "repeat-without-fault"),
    ),
    "recompute-after-use": Golden(
        promise="S2",
        red=_killed(ONE, TWO, after=(ask("a1", "1", caller=NEXT), ask("a1", "2", caller=NEXT))),
        green=AGAIN,
    ),
    "recompute-after-outcome": Golden(
        promise="S2",
        red=_run(ONE, TWO, outcome("a1"), fired(CALLER), TWO),
        green=_run(ONE, TWO, outcome("a1"), fired(CALLER), healed()),
    ),
    "repeat-without-fault": Golden(
        promise="S3", red=_run(ONE, ONE, TWO, outcome("a1")), green=DONE
    ),
    "concurrent-duplicate": Golden(
        promise="S3",
        red=_run(begin("a1", "1"), ONE, end("a1", "1"), TWO, outcome("a1")),
        green=DONE,
    ),
    "double-applied": Golden(
        promise="S4",
        red=_of_tools(
            ONE,
            ask("a1", "2"),
            ask("a1", "2.t0.c0", key="k"),
            ask("a1", "2.t0.c0", key="k"),
            ask("a1", "2", 1),
            ask("a1", "3"),
        ),
        green=_of_tools(*_call(1)),
        also=("attempted-twice", "repeat-without-fault"),
    ),
    "key-instability": Golden(
        promise="S4",
        red=_of_tools(
            ONE,
            ask("a1", "2"),
            ask("a1", "2.t0.c0", key="k"),
            ask("a1", "2.t0.c0", key="other", is_applied=False),
            ask("a1", "2", 1),
            ask("a1", "3"),
        ),
        green=CALLED,
        also=("attempted-twice", "repeat-without-fault"),
    ),
    "key-shared": Golden(
        promise="S4",
        red=evidence_of(
            *[
                told
                for agent in ("a1", "a2")
                for told in (
                    ask(agent, "1"),
                    ask(agent, "2"),
                    ask(agent, "2.t0.c0", key="k"),
                    ask(agent, "2", 1),
                    ask(agent, "3"),
                    outcome(agent),
                )
            ],
            programs=[tools("a1", turns=1), tools("a2", turns=1)],
        ),
        green=CALLED,
    ),
    "attempted-twice": Golden(
        promise="S5",
        red=_of_tools(*_call(2)),
        green=CALLED,
        also=("repeat-without-fault",),
    ),
    "skipped-step": Golden(
        promise="R",
        red=_run(
            ONE, ask("a1", "3", context=[]), outcome("a1"), programs=(chain("a1", "1", "2", "3"),)
        ),
        green=DONE,
        also=("lost-step",),
    ),
    "out-of-order": Golden(
        promise="R",
        red=_run(begin("a1", "1"), ask("a1", "2", context=[]), end("a1", "1"), outcome("a1")),
        green=DONE,
        also=("lost-step",),
    ),
    "early-timer": Golden(
        promise="R", red=_run(ONE, TWO, outcome("a1"), programs=(_timer(),)), green=WAITED
    ),
    "zombie-effect": Golden(
        promise="R",
        red=_killed(ONE, after=(ask("a1", "2"),)),
        green=_killed(ONE, after=(ask("a1", "2", caller=NEXT),)),
    ),
    "wrong-outcome": Golden(
        promise="R",
        red=_run(ONE, TWO, outcome("a1", path="1")),
        green=DONE,
        also=("lost-step",),
    ),
    "result-divergence": Golden(
        promise="R",
        red=_run(ONE, ask("a1", "2", receipt=forged("a1", "2", 1)), outcome("a1", receipt=0)),
        green=DONE,
        also=("false-terminal",),
    ),
    "cross-agent-leak": Golden(
        promise="R", red=_run(ONE, ask("a1", "2", change=_leaked), outcome("a1")), green=DONE
    ),
    "context-corruption": Golden(
        promise="R",
        red=_of_tools(
            ONE,
            ask("a1", "2"),
            ask("a1", "2.t0.c0", key="k"),
            ask("a1", "2", 1, change=_doubled),
            ask("a1", "3"),
        ),
        green=CALLED,
    ),
    "unanswered-receipt": Golden(
        promise="R", red=_run(ONE, ask("a1", "2", change=_forged), outcome("a1")), green=DONE
    ),
    "phantom-step": Golden(
        promise="R",
        red=_run(ONE, TWO, ask("a1", "9"), outcome("a1"), programs=(chain("a1", "1", "2"),)),
        green=DONE,
    ),
    "lost-message": Golden(promise="M", red=_messages(*SENT, HAD[0]), green=ARRIVED),
    "stranded-message": Golden(
        promise="M", red=_messages(*SENT, HAD[0], message("residue", "a1/m1")), green=ARRIVED
    ),
    "lost-message-start": Golden(promise="M", red=_started(*STARTED), green=RIGHT_START),
    "duplicate-message-start": Golden(
        promise="M",
        red=_started(*STARTED, ONE, TWO, message("delivered", "a1/start"), ONE, TWO, outcome("a1")),
        green=RIGHT_START,
        also=(
            "duplicate-delivery",
            "forked-lineage",
            "recompute-after-use",
            "repeat-without-fault",
        ),
    ),
    "duplicate-delivery": Golden(
        promise="M",
        red=_messages(*SENT, *HAD, HAD[0]),
        green=_messages(*SENT, *HAD, HAD[0], declared=LOOSE),
    ),
    "reordered-message": Golden(
        promise="M",
        red=_messages(*SENT, *HAD[::-1]),
        green=_messages(*SENT, *HAD[::-1], declared=LOOSE),
    ),
    "phantom-delivery": Golden(
        promise="M", red=_messages(HAD[0], *SENT, *HAD, declared=LOOSE), green=ARRIVED
    ),
    "cross-topic": Golden(
        promise="M",
        red=_messages(*SENT, HAD[0], message("delivered", "a1/m1", topic="other")),
        green=ARRIVED,
    ),
    "dropped-poison": Golden(
        promise="M",
        red=_messages(*VENOM),
        green=_messages(*VENOM, message("dead_letter", "a1/v")),
    ),
    "unaccounted-dead-letter": Golden(
        promise="M",
        red=_messages(BOUND, *SENT, *HAD, DEAD),
        green=_messages(BOUND, *SENT, *HAD, HAD[0], DEAD, declared=LOOSE),
    ),
}
"""Anomaly -> its pair, in the order of the promises."""
