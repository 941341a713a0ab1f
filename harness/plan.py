"""Scenario and seed to a plan: every draw of a run is made here, and nowhere else.

The same scenario, engine cell and seed give the same plan byte for byte; ports, paths and dates
never enter it.
"""

import hashlib
from dataclasses import dataclass, replace

import msgspec
from faker import Faker

from harness import seeds
from harness.clock import NS_PER_S
from harness.errors import UsageError
from harness.ids import agent_id
from harness.oracle import answers_count
from harness.patterns import PATTERN_STEPS
from harness.scenario import SCHEMA, UNREADABLE, Program, Scenario

SPIKE_RATIO, SPIKE_AT, SPIKE_SPAN = 0.5, 0.4, 0.02
"""Of the shape spike: the share of the agents that comes as a crowd, and where in the span of all
arrivals and for which part of it."""
HEARING = ("event", "parked")
"""Patterns whose agents wait for an event."""
LOCAL, KUBERNETES = PLATFORMS = ("local", "kubernetes")
"""Where pods can live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a scenario runs on; one column of a matrix."""

    engine: str
    variant: str = "default"
    store: str = "none"
    broker: str = "none"
    platform: str = LOCAL
    """A name of `PLATFORMS`."""
    repeat: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAgent:
    """One line of programs.jsonl."""

    agent: str
    pod: str
    """The slot that starts it."""
    at_ns: int
    """Arrival at unit rate: one agent a second; the run divides by its rate."""
    program: Program


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCall:
    """A call that the witness keeps at a point, so that a fault strikes there."""

    agent: str
    path: str
    turn: int
    point: str
    """arrival | begun | answering, as in mock_llm.holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """One fault: whom it strikes, and at which witnessed progress."""

    name: str
    kind: str
    slot: str
    at_ratio: float
    """Of the run's LLM answers."""
    in_flight_min: int
    after_s: float = 0.0
    """Seconds of the load before which it does not strike."""
    call: HeldCall | None = None
    """Of crash_step: the call that whoever makes it does not survive."""
    to: str = ""
    """Of a broker_swap: the broker that messages go over afterwards."""
    member: str = ""
    """Of kill_scheduler: which one, as FaultSpec says; any is drawn."""
    grace: bool = False
    """As FaultSpec says."""
    down_s: float | None = 0.0
    """As FaultSpec says."""
    point: str = ""
    """Of a sweep: where it meets the calls of ``agents``; else progress decides."""
    agents: tuple[str, ...] = ()
    """Of a sweep: agent k is met at its k-th call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSpec:
    """What a sweep covers; see `harness.sweep`."""

    victims: tuple[str, ...]
    points: tuple[str, ...]
    repeats: int = 3
    patience_s: float = 20.0
    """Time after a heal in which the agents of a strike must end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """plan.json: small; the programs lie beside it, under their digest."""

    schema: int = SCHEMA
    seed: int
    cell: Cell
    scenario: Scenario
    faults: tuple[PlannedFault, ...]
    answers_count: int
    """LLM answers that a run without faults takes."""
    programs_sha256: str
    warm_up_sha256: str
    sweep: SweepSpec | None = None
    """Set when the faults are those of a sweep."""


def slots_of(scenario: Scenario) -> tuple[str, ...]:
    """The pods' places, ``agents-1`` and up."""
    return tuple(f"agents-{number}" for number in range(1, scenario.pods + 1))


def draw_agents(scenario: Scenario, seed: int, *, is_warm_up: bool = False) -> list[PlannedAgent]:
    """Draw the agents in arrival order; those of the warm-up are called w... and arrive at once."""
    count = scenario.load.warm_up_agents if is_warm_up else scenario.load.agents
    chance = seeds.stream(seed, "arrivals", "warm-up" if is_warm_up else "load")
    shape = "at_once" if is_warm_up else scenario.load.shape
    arrivals = sorted(_arrival(shape, count, chance) for _ in range(count))
    slots = slots_of(scenario)
    # Nobody sends events to the agents of the warm-up.
    left_out = HEARING if is_warm_up else ()
    mix = {name: part for name, part in scenario.mix.items() if name not in left_out}
    patterns, weights = zip(*sorted((mix or {"chain": 1.0}).items()), strict=True)
    faker = Faker("en_US", use_weighting=False)
    agents = []
    for index, at_s in enumerate(arrivals):
        name = ("w" if is_warm_up else "a") + agent_id(index)[1:]
        own = seeds.stream(seed, "agent", name)
        faker.seed_instance(own.getrandbits(64))
        topic = f"{faker.name()}, {faker.job()}"
        pattern = own.choices(patterns, weights)[0]
        steps = PATTERN_STEPS[pattern](name, topic, scenario.steps)
        if pattern == "parked":
            steps = (replace(steps[0], wait_s=scenario.park_s), *steps[1:])
        agents.append(
            PlannedAgent(
                agent=name,
                pod=own.choice(slots),
                at_ns=int(at_s * NS_PER_S),
                program=Program(agent=name, steps=steps),
            )
        )
    return agents


def draw_plan(
    scenario: Scenario, cell: Cell, seed: int
) -> tuple[Plan, list[PlannedAgent], list[PlannedAgent]]:
    """Draw everything: the plan, the agents of the load, and those of the warm-up."""
    agents = draw_agents(scenario, seed)
    warm_up = draw_agents(scenario, seed, is_warm_up=True)
    plan = Plan(
        seed=seed,
        cell=cell,
        scenario=scenario,
        faults=_with_calls(draw_faults(scenario, seed), agents),
        answers_count=sum(answers_count(agent.program, seed) for agent in agents),
        programs_sha256=hashlib.sha256(programs_jsonl(agents)).hexdigest(),
        warm_up_sha256=hashlib.sha256(programs_jsonl(warm_up)).hexdigest(),
    )
    return plan, agents, warm_up


def draw_faults(scenario: Scenario, seed: int) -> tuple[PlannedFault, ...]:
    """Draw victims and moments; those of one kind are spread over their range of progress."""
    slots = slots_of(scenario)
    planned = []
    for family, spec in enumerate(scenario.faults):
        chance = seeds.stream(seed, "faults", family, spec.kind)
        span = (spec.progress_to - spec.progress_from) / spec.count
        for number in range(spec.count):
            at = spec.progress_from + (number + chance.uniform(0.1, 0.9)) * span
            slot = chance.choice(slots)
            member = spec.member if spec.kind == "kill_scheduler" else ""
            if member == "any":
                member = str(chance.randrange(scenario.schedulers))
            planned.append((at, spec, slot, member))
    planned.sort(key=lambda entry: entry[0])
    return tuple(
        PlannedFault(
            name=f"{spec.kind}-{number}",
            kind=spec.kind,
            slot=slot,
            at_ratio=round(at, 4),
            in_flight_min=spec.in_flight_min,
            after_s=spec.after_s,
            to=spec.to,
            member=member,
            grace=spec.grace,
            down_s=spec.down_s,
        )
        for number, (at, spec, slot, member) in enumerate(planned, start=1)
    )


def _with_calls(
    faults: tuple[PlannedFault, ...], agents: list[PlannedAgent]
) -> tuple[PlannedFault, ...]:
    """Choose the call of each crash_step: the first one of the agent that arrives at its moment."""
    chosen = []
    for fault in faults:
        if fault.kind != "crash_step" or not agents:
            chosen.append(fault)
            continue
        agent = agents[min(int(fault.at_ratio * len(agents)), len(agents) - 1)]
        path = next((step.path for step in agent.program.steps if step.prompt), "")
        call = HeldCall(agent=agent.agent, path=path, turn=0, point="begun")
        chosen.append(replace(fault, call=call, slot=agent.pod))
    return tuple(chosen)


def programs_jsonl(agents: list[PlannedAgent]) -> bytes:
    """programs.jsonl: an agent a line, in arrival order."""
    return b"".join(msgspec.json.encode(agent) + b"\n" for agent in agents)


def parse_programs(data: bytes, *, source: str) -> list[PlannedAgent]:
    """Read programs.jsonl.

    Raises:
        UsageError: a line is not an agent of this schema.
    """
    agents = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            agents.append(msgspec.json.decode(line, type=PlannedAgent))
        except UNREADABLE as error:
            what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise UsageError(f"{source}, line {number}: {what}; the run is damaged") from error
    return agents


def _arrival(shape: str, count: int, chance: seeds.Chance) -> float:
    """One arrival in seconds at unit rate; sorted uniform draws are a Poisson process."""
    if shape == "at_once":
        return 0.0
    drawn = chance.random()
    if shape == "spike":
        is_crowd = drawn < SPIKE_RATIO
        spread = SPIKE_SPAN * chance.random() if is_crowd else 0.0
        at = SPIKE_AT + spread if is_crowd else (drawn - SPIKE_RATIO) / (1 - SPIKE_RATIO)
        return count * at
    return count * (drawn**0.5 if shape == "ramp" else drawn)
