"""A ladder as it lies on disk: what it wrote of itself, its runs as levels, its answer."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.archive import Archived, read_plan
from harness.capacity.assess import Asked, Climbed, assess
from harness.capacity.level import Reading, read_level, side_of
from harness.capacity.prices import Prices
from harness.capacity.purchase import Target
from harness.capacity.record import FAULT, PARKED, PROBE, CapacityResult, Level, Skipped
from harness.cli.stored import result_of
from harness.engines.external.adapter import ENGINE as EXTERNAL
from harness.errors import UsageError
from harness.results import RunResult
from harness.runner.judge import read_judged
from harness.scenario import Scenario

FILE = "ladder.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderFile:
    """ladder.json: what no run of a ladder knows."""

    schema: int = SCHEMA
    engine: str
    variant: str
    store: str
    scenario: str
    seed: int
    pods: int
    started_utc: str
    duration_s: float
    command: str
    skipped: tuple[Skipped, ...]
    is_interrupted: bool


def read_ladder(root: Path) -> LadderFile:
    """What a ladder wrote down of itself.

    Raises:
        UsageError: nothing of it is there, or it cannot be read.
    """
    path = root / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=LadderFile)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; expected the folder that `onceproof capacity` wrote"
        ) from error
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path}: {error}; expected a ladder.json") from error
    if found.schema != SCHEMA:
        raise UsageError(f"{path}: schema is {found.schema}, this version reads {SCHEMA}")
    return found


def answer_of(root: Path, target: Target, prices: Prices) -> CapacityResult:
    """Read a stored ladder, run for run, and answer for this target.

    Raises:
        UsageError: it is no ladder.
    """
    said = read_ladder(root)
    readings: list[Reading] = []
    fault: RunResult | None = None
    idle: dict[str, float] = {}
    environment: dict[str, str] = {}
    parked, cores = 0, 0
    for folder in sorted(path.parent for path in root.glob("*/plan.json")):
        scenario, archived, result = read_plan(folder).scenario, read_judged(folder), None
        side = side_of(scenario)
        if archived.facts is not None:
            cores, environment = archived.facts.cores, archived.environment
        if side == PARKED and archived.facts is not None:
            idle, parked = archived.facts.idle, scenario.load.agents
        if side in (PARKED, PROBE):
            continue
        result = result_of(folder)
        fault = result if side == FAULT else fault
        readings.append(reading_of(folder, scenario, archived, result))
    return assess(
        Asked(
            engine=said.engine,
            variant=said.variant,
            store=said.store,
            scenario=said.scenario,
            seed=said.seed,
            pods=said.pods,
            is_one_thread=said.engine != EXTERNAL,
            target=target,
            prices=prices,
            started_utc=said.started_utc,
            duration_s=said.duration_s,
            command=said.command,
            environment=environment,
            cores=cores,
        ),
        Climbed(
            readings=readings,
            skipped=said.skipped,
            fault=fault,
            idle=idle,
            parked=parked,
            is_interrupted=said.is_interrupted,
        ),
    )


def reading_of(folder: Path, scenario: Scenario, archived: Archived, result: RunResult) -> Reading:
    """A run as a level; one that broke has a trouble and counts for nothing."""
    if result.state != "judged" or archived.facts is None:
        level = Level(
            run=folder.name,
            side=side_of(scenario),
            offered_per_s=scenario.load.rate_per_s or 0.0,
            trouble=result.state_reason or "the run was not judged",
        )
        return Reading(level=level)
    wrong = {
        one.agent for row in result.promises if row.key in ("S1", "R") for one in row.anomalies
    }
    return read_level(archived.evidence, archived.facts, scenario, run=folder.name, wrong=wrong)


def level_of(folder: Path) -> Level:
    """A run of a ladder that is still climbed; its goodput waits for an objective."""
    scenario = read_plan(folder).scenario
    return reading_of(folder, scenario, read_judged(folder), result_of(folder)).level
