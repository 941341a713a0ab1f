"""What the agents of a mix do: a function a pattern, from agent, topic and length to steps.

Called by `plan` alone, which draws everything that is left to chance.
"""

from collections.abc import Callable
from dataclasses import replace

from harness.scenario import Step
from mock_llm.marker import Directive, Marker, prompt_with
from mock_llm.receipts import tag, task_path

WAIT_S = 2.0
"""Of the pattern timer: longer than a pod is away, so that some timers are due meanwhile."""
EVENT_S = (0.0, 3.0)
"""Of the pattern event: some events are there before the agent waits, some come later."""


BULLETINS = 4
"""Of the pattern of that name: notes of one answer."""
ROUTES = 3
"""Of the pattern routing: branches to choose from."""
ROUNDS_MAX = 3
"""Of the pattern evaluator: the round in which an agent is accepted at the latest."""


def _say(agent: str, path: str, after: tuple[str, ...], text: str, *, is_last: bool) -> Step:
    return _leaf(agent, path, after, text, Directive(kind="say", is_last=is_last))


def _leaf(agent: str, path: str, after: tuple[str, ...], text: str, directive: Directive) -> Step:
    marker = Marker(agent=agent, path=path, predecessors=after, directive=directive)
    embedded = "".join(f"\nGiven {{answer:{predecessor}}}" for predecessor in after)
    return Step(
        path=path,
        kind=directive.kind,
        prompt=prompt_with(marker, text + embedded),
        after=after,
        turns=directive.count if directive.kind == "tools" else 0,
    )


def _chain(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """Prompt chaining: each answer feeds the next prompt."""
    return tuple(
        _say(
            agent,
            str(number),
            (str(number - 1),) if number > 1 else (),
            f"{topic}: part {number} of {count} of the report.",
            is_last=number == count,
        )
        for number in range(1, count + 1)
    )


def _tools(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """A question, a loop of tool calls, a conclusion; ``count`` answers when at least 4."""
    turns = max(1, count - 3)
    looked_up = Directive(kind="tools", count=turns)
    return (
        _say(agent, "1", (), f"{topic}: which facts are needed?", is_last=False),
        _leaf(agent, "2", ("1",), f"{topic}: record what you find.", looked_up),
        _say(agent, "3", ("2",), f"{topic}: conclude.", is_last=True),
    )


def _parallel(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """Fan-out and aggregation: ``count`` answers when count is at least 4."""
    branches = tuple(
        (_say(agent, f"2.b{number}", ("1",), f"{topic}: view {number}.", is_last=False),)
        for number in range(max(2, count - 2))
    )
    paths = tuple(branch[0].path for branch in branches)
    return (
        _say(agent, "1", (), f"{topic}: split the question.", is_last=False),
        Step(path="2", kind="parallel", after=("1",), branches=branches),
        _say(agent, "3", paths, f"{topic}: bring the views together.", is_last=True),
    )


def _routing(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """Routing: an answer chooses the one branch of three that is run; ``count`` answers from 4."""
    branches = tuple(
        tuple(
            _say(
                agent,
                f"2.b{branch}.{place}",
                (f"2.b{branch}.{place - 1}",) if place else ("2",),
                f"{topic}: way {branch}, part {place}.",
                is_last=False,
            )
            for place in range(max(1, count - 3))
        )
        for branch in range(ROUTES)
    )
    choose = Directive(kind="route", count=ROUTES)
    ends = tuple(branch[-1].path for branch in branches)
    return (
        _say(agent, "1", (), f"{topic}: what is the question?", is_last=False),
        replace(_leaf(agent, "2", ("1",), f"{topic}: which way?", choose), branches=branches),
        _say(agent, "3", ends, f"{topic}: conclude.", is_last=True),
    )


def _orchestrator(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """Orchestrator and workers: an answer delegates sub-tasks; ``count`` answers from 5."""
    tasks = max(2, count - 3)
    delegate = Directive(kind="plan", count=tasks)
    paths = tuple(task_path("2", number) for number in range(tasks))
    return (
        _say(agent, "1", (), f"{topic}: what is to be done?", is_last=False),
        replace(_leaf(agent, "2", ("1",), f"{topic}: delegate it.", delegate), tasks=tasks),
        _say(agent, "3", paths, f"{topic}: bring the parts together.", is_last=True),
    )


def _evaluator(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """Evaluator and optimizer: drafts, judged until one is accepted; 4, 6 or 8 answers by agent."""
    revisions = tag(agent, "2") % ROUNDS_MAX
    rounds = tuple(_round(agent, topic, number, revisions) for number in range(ROUNDS_MAX))
    seen = tuple(step.path for one in rounds for step in one)
    return (
        _say(agent, "1", (), f"{topic}: what is wanted?", is_last=False),
        Step(path="2", kind="judge", after=("1",), branches=rounds),
        _say(agent, "3", seen, f"{topic}: conclude.", is_last=True),
    )


def _round(agent: str, topic: str, number: int, revisions: int) -> tuple[Step, ...]:
    """A draft and its verdict; every agent has all rounds in its program, and runs what it must."""
    draft, before = f"2.r{number}", f"2.r{number - 1}"
    after = (before, f"{before}.j") if number else ("1",)
    verdict = Directive(kind="judge", count=max(0, revisions - number))
    judged = _leaf(agent, f"{draft}.j", (draft,), f"{topic}: is draft {number} good?", verdict)
    return (
        _say(agent, draft, after, f"{topic}: draft {number}.", is_last=False),
        replace(judged, kind="say"),
    )


def _child(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """A question, a child agent that works it out, a conclusion from the child's last answer."""
    inner = tuple(
        _say(
            agent,
            f"2.{number}",
            (f"2.{number - 1}",) if number > 1 else ("1",),
            f"{topic}: the child's part {number}.",
            is_last=False,
        )
        for number in range(1, max(2, count - 2) + 1)
    )
    return (
        _say(agent, "1", (), f"{topic}: what is to be worked out?", is_last=False),
        Step(path="2", kind="child", after=("1",), branches=(inner,)),
        _say(agent, "3", (inner[-1].path,), f"{topic}: conclude.", is_last=True),
    )


def _timer(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """A chain that sleeps before its last step."""
    chain = _chain(agent, topic, max(2, count))
    wait = Step(path="w", kind="wait", after=(chain[-2].path,), wait_s=WAIT_S)
    return (*chain[:-1], wait, chain[-1])


def _event(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """A chain that waits for somebody's word before its last step, and uses it there."""
    chain = _chain(agent, topic, max(2, count))
    before = chain[-2].path
    number = int(tag(agent, before) % 1000) / 1000
    first_s, last_s = EVENT_S
    receive = Step(path="e", kind="receive", wait_s=round(first_s + number * (last_s - first_s), 3))
    last = _say(
        agent, chain[-1].path, (before, "e"), f"{topic}: heed the word and end.", is_last=True
    )
    return (*chain[:-1], receive, last)


def _poison(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """A chain whose second step is never answered: every attempt gets an error of the server."""
    first, *later = _chain(agent, topic, max(3, count))
    fails = _leaf(
        agent,
        "2",
        ("1",),
        f"{topic}: ask what nobody can answer.",
        Directive(kind="fail", count=500),
    )
    return (first, replace(fails, kind="say"), *later[1:])


def _solo(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """One loop of tool calls, and nothing around it; ``count`` answers from 2."""
    asked = Directive(kind="tools", count=max(1, count - 1), is_last=True)
    return (_leaf(agent, "1", (), f"{topic}: record what you find, then conclude.", asked),)


def _notes(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """A chain that publishes a note of each answer but the last; others read them."""
    chain = _chain(agent, topic, max(2, count))
    notes = (_note(agent, step.path, "say", 0) for step in chain[:-1])
    return (*(step for pair in zip(chain, notes, strict=False) for step in pair), chain[-1])


def _bulletins(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """As notes, but of each answer four at once."""
    return tuple(
        replace(step, tasks=BULLETINS) if step.kind == "publish" else step
        for step in _notes(agent, topic, count)
    )


def _poison_note(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """As notes; the first one is of a kind that nobody who reads it can ever handle."""
    first, _, *others = _notes(agent, topic, count)
    return (first, _note(agent, first.path, "fail", 500), *others)


def _note(agent: str, path: str, kind: str, count: int) -> Step:
    directive = Directive(kind=kind, count=count)
    step = _leaf(agent, f"n{path}", (path,), "Note what came out.", directive)
    return replace(step, kind="publish")


def _team(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """A planner, workers with a tool and a reviewer, who talk over topics; 7 answers at least."""
    found = Directive(kind="tools", count=1)
    workers = tuple(
        (_leaf(agent, f"2.b{number}", ("1",), f"{topic}: record part {number}.", found),)
        for number in range(max(2, (count - 3) // 2))
    )
    paths = tuple(worker[0].path for worker in workers)
    review = _say(agent, "3.b0", paths, f"{topic}: review the parts.", is_last=False)
    return (
        _say(agent, "1", (), f"{topic}: what is to be done, in parts?", is_last=False),
        Step(path="2", kind="team", after=("1",), branches=workers),
        Step(path="3", kind="team", after=paths, branches=((review,),)),
        _say(agent, "4", ("3.b0",), f"{topic}: conclude.", is_last=True),
    )


def _parked(agent: str, topic: str, count: int) -> tuple[Step, ...]:
    """An idle agent: it waits for somebody's word from the start, and answers it once."""
    return (
        Step(path="e", kind="receive"),
        _say(agent, "1", ("e",), f"{topic}: heed the word and end.", is_last=True),
    )


PATTERN_STEPS: dict[str, Callable[[str, str, int], tuple[Step, ...]]] = {
    "chain": _chain,
    "tools": _tools,
    "parallel": _parallel,
    "routing": _routing,
    "orchestrator": _orchestrator,
    "evaluator": _evaluator,
    "child": _child,
    "timer": _timer,
    "event": _event,
    "parked": _parked,
    "poison": _poison,
    "notes": _notes,
    "bulletins": _bulletins,
    "poison_note": _poison_note,
    "team": _team,
    "solo": _solo,
}
MESSAGED = frozenset({"notes", "bulletins", "poison_note", "team"})
"""Patterns whose agents talk to others over a broker."""
FAILING = frozenset({"poison"})
"""Patterns whose agents cannot complete, whatever the engine does."""
