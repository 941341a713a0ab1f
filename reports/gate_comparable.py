"""Whether two sides may be compared: what stands against it, in plain words.

Results of other schema versions, seeds, scenarios or durability classes are never compared; timings
of other machines neither. Pure.
"""

from collections.abc import Iterator

import msgspec

from harness.scenario import Scenario
from reports.gate_sides import Side

MACHINE = ("machine", "system")
"""Facts that decide timings."""
IGNORED = ("summary", "thresholds")
"""Fields of a scenario that change nothing about a run."""
NOTED = ("python", "packages", "daprd", "redis", "onceproof")
"""Facts that may differ on purpose: often they are what the gate is there for."""


def against_all(baseline: Side, candidate: Side) -> list[str]:
    """Why no figure of these may be compared; empty when they may."""
    return [*_against_all(baseline, candidate)]


def against_timings(baseline: Side, candidate: Side) -> list[str]:
    """Why their timings may not be compared; empty when they may."""
    return [*_differing(baseline, candidate, MACHINE)]


def worth_noting(baseline: Side, candidate: Side) -> list[str]:
    """What else is different, for whoever looks for the cause."""
    return [*_differing(baseline, candidate, NOTED)]


def _against_all(baseline: Side, candidate: Side) -> Iterator[str]:
    if baseline.results_schema != candidate.results_schema:
        yield (
            f"schema of the results: baseline {baseline.results_schema}, now "
            f"{candidate.results_schema}"
        )
    if baseline.seed != candidate.seed:
        yield f"seed: baseline {baseline.seed}, now {candidate.seed}"
    changed = [*_changed_fields(baseline.scenario, candidate.scenario)]
    yield from changed
    if (
        not changed
        and baseline.seed == candidate.seed
        and baseline.programs_sha256 != candidate.programs_sha256
    ):
        yield (
            "programs: the same seed and scenario draw others now (baseline "
            f"{baseline.programs_sha256[:12]}, now {candidate.programs_sha256[:12]})"
        )
    yield from _differing(baseline, candidate, ("durability",))


def _changed_fields(baseline: Scenario, candidate: Scenario) -> Iterator[str]:
    sides = (_flat(msgspec.to_builtins(side)) for side in (baseline, candidate))
    before, now = (dict(side) for side in sides)
    for path in sorted(before.keys() | now.keys()):
        if path.partition(".")[0] in IGNORED or before.get(path) == now.get(path):
            continue
        yield (
            f"scenario field {path}: baseline {before.get(path, 'absent')}, now "
            f"{now.get(path, 'absent')}"
        )


def _flat(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _flat(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for number, part in enumerate(value):
            yield from _flat(part, f"{path}.{number}")
    else:
        yield path, str(value)


def _differing(baseline: Side, candidate: Side, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        before, now = baseline.facts.get(name, "unknown"), candidate.facts.get(name, "unknown")
        if before != now:
            yield f"{name}: baseline {before}, now {now}"
