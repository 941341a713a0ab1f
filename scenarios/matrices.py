"""Matrices: which scenario on which engines, in one command; a constant each."""

from dataclasses import dataclass

from harness.plan import Cell
from harness.scenario import SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One run of a matrix."""

    scenario: str
    cell: Cell
    overrides: tuple[str, ...] = ()
    """As after ``--set``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The runs of one command."""

    schema: int = SCHEMA
    name: str
    summary: str
    entries: tuple[Entry, ...]
    is_comparison: bool = True
    """Exit 0 when every run was judged, whatever was found."""


DAPR = Cell(engine="dapr_workflow", store="redis")
NAIVE = Cell(engine="control", variant="naive")
GUARDED = Cell(engine="control", variant="guarded")
REFERENCE = Cell(engine="reference")
CONTROL_LOAD = ("load.agents=300", "load.rate_per_s=30", "load.warm_up_agents=0")

DEFAULT = Matrix(
    name="default",
    summary="Dapr Workflow with kills and without, and both controls",
    entries=(
        Entry(
            scenario="pod_kill",
            cell=DAPR,
            overrides=(
                "load.agents=2000",
                "load.warm_up_agents=300",
                "load.capacity_ratio=0.65",
                "mix.chain=6",
                "mix.tools=1",
                "faults.0.in_flight_min=10",
            ),
        ),
        Entry(
            scenario="baseline",
            cell=DAPR,
            overrides=(
                "load.agents=500",
                "load.warm_up_agents=200",
                "load.capacity_ratio=0.65",
                "mix.chain=6",
                "mix.tools=1",
            ),
        ),
        Entry(scenario="pod_kill", cell=NAIVE, overrides=CONTROL_LOAD),
        Entry(scenario="pod_kill", cell=GUARDED, overrides=CONTROL_LOAD),
    ),
)
DEMO = Matrix(
    name="demo",
    summary="the two controls, 100 agents each, pods killed; no Dapr needed",
    entries=tuple(
        Entry(
            scenario="pod_kill",
            cell=cell,
            overrides=(
                "load.agents=100",
                "load.rate_per_s=20",
                "load.warm_up_agents=0",
                "mix.tools=8",
                "faults.0.count=1",
                "faults.0.progress_from=0.4",
                "faults.0.progress_to=0.6",
                "faults.0.in_flight_min=15",
                "exposures_min=10",
            ),
        )
        for cell in (NAIVE, GUARDED)
    ),
)
SMOKE = Matrix(
    name="smoke",
    summary="a small load on Dapr Workflow, the reference and the controls, for CI",
    entries=(
        Entry(
            scenario="pod_kill",
            cell=DAPR,
            overrides=(
                "load.agents=200",
                "load.rate_per_s=8",
                "load.warm_up_agents=0",
            ),
        ),
        # Without faults costs are exact: here the gate of CI holds them.
        Entry(
            scenario="baseline",
            cell=DAPR,
            overrides=("load.agents=60", "load.rate_per_s=10", "load.warm_up_agents=0"),
        ),
        Entry(
            scenario="pod_kill",
            cell=REFERENCE,
            overrides=("load.agents=200", "load.rate_per_s=20", "load.warm_up_agents=0"),
        ),
        *(
            Entry(
                scenario="pod_kill",
                cell=cell,
                overrides=("load.agents=200", "load.rate_per_s=20", "load.warm_up_agents=0"),
            )
            for cell in (NAIVE, GUARDED)
        ),
    ),
)

SCALE = Matrix(
    name="scale",
    summary="5,000 agents with ten pods killed, and 1,000 without faults, all at once",
    entries=(
        Entry(scenario="scale", cell=DAPR),
        Entry(
            scenario="scale",
            cell=DAPR,
            overrides=("name=scale_quiet", "load.agents=1000", "faults=[]"),
        ),
    ),
)
ALL = Matrix(
    name="all",
    summary="everything: the default matrix, containers killed, throttle, scale",
    entries=(
        *DEFAULT.entries,
        *(
            Entry(
                scenario="pod_kill",
                cell=DAPR,
                overrides=(
                    f"name=pod_{kind}",
                    "load.agents=300",
                    "load.rate_per_s=10",
                    "load.warm_up_agents=0",
                    f"faults.0.kind={kind}",
                ),
            )
            for kind in ("kill_worker", "kill_sidecar")
        ),
        *(Entry(scenario="throttle", cell=cell) for cell in (DAPR, REFERENCE, GUARDED)),
        Entry(scenario="pod_kill", cell=REFERENCE, overrides=CONTROL_LOAD),
        *SCALE.entries,
    ),
)

PATTERNS = ("chain", "routing", "parallel", "orchestrator", "evaluator")
"""The five that the article names."""
QUOTA = "llm.requests_per_min=900"
SIZE = (
    "load.agents=48",
    "load.rate_per_s=5",
    "load.warm_up_agents=0",
    "liveness_s=40",
    "run_s=150",
)
MIX = ("mix.tools=1", *(f"mix.{pattern}=1" for pattern in PATTERNS))
FEWER = ("mix.tools=1", "mix.chain=1", "mix.parallel=1")
"""For engines that cannot run all of them: see docs/engines.md."""
STRUCK = (
    *("pods=2", "faults.0.count=4", "faults.0.in_flight_min=4", "exposures_min=8"),
    *("faults.0.progress_from=0.2", "faults.0.progress_to=0.8"),
)
COLUMNS: tuple[tuple[Cell, tuple[str, ...], bool], ...] = (
    (DAPR, MIX, True),
    (Cell(engine="dapr_agents", store="redis"), MIX, True),
    *(
        (Cell(engine="langgraph", variant=variant), FEWER, variant == "sqlite-sync")
        for variant in ("sqlite-sync", "sqlite-async", "sqlite-exit", "memory", "none")
    ),
    (NAIVE, MIX, False),
    (GUARDED, MIX, True),
)
"""Engine, what it runs, and whether it runs without faults and under a quota too."""
ENGINES = Matrix(
    name="engines",
    summary="the engines of the article and the controls: one mix, pods killed, calm, throttled",
    entries=(
        *(
            Entry(
                scenario="pod_kill",
                cell=cell,
                overrides=("name=engines_kill", *SIZE, *mix, *STRUCK),
            )
            for cell, mix, _ in COLUMNS
        ),
        *(
            Entry(
                scenario="baseline",
                cell=cell,
                overrides=("name=engines_calm", *SIZE, *mix, "pods=2"),
            )
            for cell, mix, is_whole in COLUMNS
            if is_whole
        ),
        *(
            Entry(
                scenario="throttle",
                cell=cell,
                overrides=("name=engines_throttle", *SIZE, *mix, "pods=2", "faults=[]", QUOTA),
            )
            for cell, mix, is_whole in COLUMNS
            if is_whole
        ),
        *(
            Entry(
                scenario="pod_kill",
                cell=cell,
                overrides=(
                    "name=engines_all_pods",
                    *SIZE,
                    *MIX,
                    *STRUCK,
                    "pods=1",
                    "faults.0.count=2",
                ),
            )
            for cell, *_ in COLUMNS[:2]
        ),
    ),
)
"""With one pod a killed pod is all pods of the app at once, which is what `node failure` comes to
on one machine.
"""

MATRICES: dict[str, Matrix] = {
    matrix.name: matrix for matrix in (DEFAULT, DEMO, SMOKE, SCALE, ENGINES, ALL)
}
