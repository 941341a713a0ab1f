"""A smaller scenario that still shows an anomaly: what to try next, and when to stop.

Pure: a try is somebody else's work, a real run with the same seed. Fewer families of faults, fewer
faults, fewer pods, one pattern, fewer agents, fewer steps, in this order and over again, until
nothing smaller shows the anomaly or the budget is spent. Numbers are bisected as if what shows in
few showed in more too; chance may say otherwise, so the smallest that was seen is the result, and
nobody says that it is the smallest there is.

Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (2002), of which
this is the greedy half.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from harness.scenario import SCHEMA, Scenario

Shows = Callable[[Scenario], bool | None]
"""Runs a scenario; whether it showed the anomaly. None: the budget is spent, nothing was run."""
ROUNDS_MAX = 8


class _SpentError(Exception):
    """No try is left; never leaves the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """What came of a search."""

    scenario: Scenario
    """The smallest that was seen to show the anomaly."""
    is_done: bool
    """Nothing smaller was left to try; else the budget was spent."""


@dataclass(slots=True)
class Search:
    """One search, from a scenario that shows the anomaly."""

    best: Scenario
    shows: Shows
    _tried: list[Scenario] = field(default_factory=list)

    def run(self) -> Shrunk:
        """Search until nothing gets smaller."""
        passes = (
            self._fewer_families,
            self._fewer_faults,
            self._fewer_pods,
            self._one_pattern,
            self._fewer_agents,
            self._fewer_steps,
        )
        try:
            for _ in range(ROUNDS_MAX):
                before = self.best
                for shrink in passes:
                    shrink()
                if self.best == before:
                    return Shrunk(scenario=self.best, is_done=True)
        except _SpentError:
            pass
        return Shrunk(scenario=self.best, is_done=False)

    def _try(self, scenario: Scenario) -> bool:
        """Whether a scenario shows it, which then is the best; nothing is tried twice."""
        if scenario == self.best:
            return True
        if scenario in self._tried:
            return False
        self._tried.append(scenario)
        does_show = self.shows(scenario)
        if does_show is None:
            raise _SpentError
        if not does_show:
            return False
        self.best = scenario
        return True

    def _fewer_families(self) -> None:
        if len(self.best.faults) and self._try(replace(self.best, faults=())):
            return
        place = 0
        while len(self.best.faults) > 1 and place < len(self.best.faults):
            faults = self.best.faults
            if not self._try(replace(self.best, faults=faults[:place] + faults[place + 1 :])):
                place += 1

    def _fewer_faults(self) -> None:
        for place in range(len(self.best.faults)):

            def with_count(count: int, place: int = place) -> Scenario:
                faults = list(self.best.faults)
                faults[place] = replace(faults[place], count=count)
                return replace(self.best, faults=tuple(faults))

            self._bisect(self.best.faults[place].count, with_count)

    def _fewer_pods(self) -> None:
        self._bisect(self.best.pods, lambda count: replace(self.best, pods=count))

    def _one_pattern(self) -> None:
        if len(self.best.mix) > 1:
            for name in sorted(self.best.mix):
                if self._try(replace(self.best, mix={name: 1.0})):
                    return

    def _fewer_agents(self) -> None:
        self._bisect(self.best.load.agents, lambda count: with_agents(self.best, count))

    def _fewer_steps(self) -> None:
        self._bisect(self.best.steps, lambda count: replace(self.best, steps=count))

    def _bisect(self, high: int, make: Callable[[int], Scenario]) -> None:
        """One first; then halfway between what did not show it and what did."""
        low = 0
        for wanted in _halves(high):
            if wanted <= low or wanted >= high:
                continue
            if self._try(make(wanted)):
                high = wanted
            else:
                low = wanted
            if high == 1:
                return
        while high - low > max(1, high // 4):
            middle = (low + high) // 2
            if self._try(make(middle)):
                high = middle
            else:
                low = middle


def _halves(high: int) -> Iterator[int]:
    """One, then an eighth and a half: most anomalies need either one or many."""
    yield from sorted({1, high // 8, high // 2} - {0})


def with_agents(scenario: Scenario, count: int) -> Scenario:
    """So many agents; a fault waits for no more steps in flight than there are agents."""
    faults = tuple(
        replace(fault, in_flight_min=min(fault.in_flight_min, max(1, count // 4)))
        for fault in scenario.faults
    )
    return replace(scenario, load=replace(scenario.load, agents=count), faults=faults)


def settled(scenario: Scenario, rate_per_s: float) -> Scenario:
    """The scenario without what only a judged whole needs: no warm-up, no floor of exposures.

    ``rate_per_s`` is the rate that the warm-up of the stored run led to; 0 leaves the load's own.
    """
    load = replace(scenario.load, warm_up_agents=0)
    if load.rate_per_s is None and load.shape != "at_once":
        load = replace(load, rate_per_s=round(rate_per_s, 3) or 1.0)
    return replace(
        scenario,
        schema=SCHEMA,
        name=f"{scenario.name[:57]}-small",
        load=load,
        exposures_min=0,
        limited_ratio_min=0.0,
    )


def size_of(scenario: Scenario) -> str:
    """What was made smaller, in a few words."""
    faults = ", ".join(f"{fault.count} {fault.kind}" for fault in scenario.faults) or "no fault"
    pods = f"{scenario.pods} pod{'s' * (scenario.pods > 1)}"
    agents = f"{scenario.load.agents} agent{'s' * (scenario.load.agents > 1)}"
    steps = f"{scenario.steps} step{'s' * (scenario.steps > 1)}"
    return f"{agents}, {pods}, {faults}, {' + '.join(scenario.mix)}, {steps}"
