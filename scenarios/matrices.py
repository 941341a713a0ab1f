"""Matrices: which scenario on which engines, in one command; a constant each."""

from dataclasses import dataclass, replace

from harness.plan import PLATFORMS, Cell
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
    asks_again: bool = False
    """A run with too few exposures for a promise is repeated once, with twice the load."""


DAPR = Cell(engine="dapr_workflow", store="redis")
NAIVE = Cell(engine="control", variant="naive")
GUARDED = Cell(engine="control", variant="guarded")
REFERENCE = Cell(engine="reference")
QUOTA = "llm.requests_per_min=500"
"""Less than Dapr Agents ask for, the slowest: 10/s."""
CONTROL_LOAD = ("load.agents=300", "load.rate_per_s=30", "load.warm_up_agents=0")

PATTERNS = ("chain", "routing", "parallel", "orchestrator", "evaluator")
"""The five that the article names."""
MIX = ("mix.tools=5", *(f"mix.{pattern}=1" for pattern in PATTERNS))
FEWER = ("mix.tools=5", *(f"mix.{pattern}=1" for pattern in PATTERNS if pattern != "orchestrator"))
"""For crews, whose tasks are fixed before they start."""
RATE_PER_S = 3.1
"""Offered to every column alike: 70 % of what the slowest of them takes on two cores, 4.0 to 4.8/s
for Dapr Agents (278 CPU-s per 1,000 agents). The warm-up of each run without faults measures its
own column, and the page shows that beside the rate.
"""
LATENCY = ("llm.latency_ms=400", "llm.tool_latency_ms=400")
"""At 1 s each the worker threads of Dapr Agents take only 2.1/s, see finding 0001."""
SIZE = (
    *(f"load.rate_per_s={RATE_PER_S}", "pods=2", "steps=4", "liveness_s=40", "run_s=300"),
    *LATENCY,
)
STRUCK = (
    *("faults.0.count=6", "faults.0.in_flight_min=6"),
    *("faults.0.progress_from=0.12", "faults.0.progress_to=0.75"),
)
"""Six strikes with six calls each: more than the thirty exposures that a verdict takes, and as
many as an engine meets that needs 7 s to start again.
"""
SLOW_TOOLS = (
    "llm.tool_latency_ms=12000",
    "summary=five patterns and tool loops, pods killed in mid-run; tools take 12 s, not 0.4 s, "
    "so that kills meet them at work",
)
"""For the guarded control alone, whose S4 needs thirty tools that a kill met: at this rate a pod
has half a tool of 0.4 s at work. Dapr Agents' threads could not take slow ones, see finding 0001.
"""
SMALL = (
    *("load.agents=48", "load.rate_per_s=3", "load.warm_up_agents=0", "pods=2"),
    *("liveness_s=40", "run_s=150"),
)
SMALL_STRUCK = (
    *("faults.0.count=3", "faults.0.in_flight_min=3", "exposures_min=8"),
    *("faults.0.progress_from=0.12", "faults.0.progress_to=0.55"),
)
"""Early enough for engines that need 10 s to start again, and then find all agents waiting."""
DAPR_AGENTS = Cell(engine="dapr_agents", store="redis")
LANGGRAPH = Cell(engine="langgraph", variant="sqlite-sync")
CREWAI = Cell(engine="crewai", variant="flow-persist")
DBOS = Cell(engine="dbos", variant="sqlite")
"""Not of the article: the control that commits each result to a database."""
COMPARED = (DAPR, DAPR_AGENTS, LANGGRAPH, CREWAI, NAIVE, GUARDED)
"""The engines of the article on stores that survive any SIGKILL, and the controls."""


KILLED = ("name=engines_kill", "summary=five patterns and tool loops, pods killed in mid-run")
CALM = ("name=engines_calm", "summary=five patterns and tool loops, no faults, no quota")


def compared(cells: tuple[Cell, ...], *, calm_agents: int) -> tuple[Entry, ...]:
    """The same load for all cells, with the same kills and without any."""
    return tuple(
        Entry(
            scenario=scenario,
            cell=cell,
            overrides=(
                *(*named, *SIZE, *MIX, *more),
                *(SLOW_TOOLS if (scenario, cell) == ("pod_kill", GUARDED) else ()),
            ),
        )
        for scenario, named, more in (
            ("pod_kill", KILLED, (*STRUCK, "load.agents=150", "load.warm_up_agents=0")),
            ("baseline", CALM, (f"load.agents={calm_agents}", "load.warm_up_agents=30")),
        )
        for cell in cells
    )


COMPARISON = compared(COMPARED, calm_agents=70)
"""With 150 of them `make loadtest` would take three minutes more; `engines` has those."""
SWAPPED = Entry(
    scenario="broker_swap",
    cell=replace(DAPR, broker="redis"),
    overrides=("load.agents=200", "load.rate_per_s=5"),
)
HOSTED = ("subscribed", "subscribed-async", "subscribed-await", "subscribed-guarded")
BROKERS = ("in-memory", "redis", "kafka", "rabbitmq", "nats")
DEFAULT = Matrix(
    name="default",
    summary="Dapr Workflow at scale with kills; the engines of the article and the controls",
    asks_again=True,
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
        *COMPARISON,
        SWAPPED,
    ),
)
FEW = ("load.agents=60", "load.rate_per_s=5", "load.warm_up_agents=0")
MESSAGES = Matrix(
    name="brokers",
    summary="agents that are started by messages, over each broker; pods killed; brokers swapped",
    entries=(
        *(
            Entry(scenario="baseline", cell=replace(DAPR, broker=broker), overrides=FEW)
            for broker in BROKERS
        ),
        *(
            Entry(
                scenario="pod_kill",
                cell=replace(DAPR, broker=broker),
                overrides=(*FEW, "faults.0.count=2", "exposures_min=8"),
            )
            for broker in BROKERS
        ),
        SWAPPED,
        Entry(scenario="broker_swap_hard", cell=replace(DAPR, broker="redis")),
        *(
            Entry(scenario=scenario, cell=replace(DAPR, broker=broker))
            for scenario in ("dead_letters", "team")
            for broker in ("redis", "rabbitmq")
        ),
        Entry(scenario="team", cell=replace(DAPR, variant="streaming", broker="redis")),
        *(
            Entry(
                scenario="message_starts",
                cell=replace(DAPR, engine="dapr_agents", variant=variant, broker="redis"),
            )
            for variant in HOSTED
        ),
        *(
            Entry(
                scenario="message_starts",
                cell=replace(DAPR, engine="dapr_agents", variant=HOSTED[0], broker=broker),
            )
            for broker in ("kafka", "rabbitmq")
        ),
    ),
)

STORE_PODS = {"in-memory": 1, "sqlite": 1, "sqlite-shared": 3, "redis": 3, "postgres": 3}
"""As scenarios/expectations.yaml declares their outcome."""
KILLED_STORE = (
    *("name=stores_kill", "summary=pods killed while agents' state lies in this store"),
    *('mix={"chain": 1.0}', "steps=3", "llm.latency_ms=600"),
    *("load.agents=100", "load.warm_up_agents=0", "faults.0.count=2", "faults.0.in_flight_min=4"),
    *("exposures_min=5", "run_s=120", "checks_store=true"),
)
AT_ONCE = ("load.shape=at_once", "faults.0.progress_from=0.03", "faults.0.progress_to=0.4")
"""For one pod, whose kill stops all publishing too: it has to meet starts that wait already."""
IN_TURN = ("load.rate_per_s=10", "faults.0.progress_from=0.25", "faults.0.progress_to=0.65")
LOSING = ("in-memory",)
"""Stores and brokers that are to lose agents: waiting longer for those shows nothing more."""
CALM_STORE = (
    *("name=stores_calm", "summary=what a step costs on this store: all agents at once, no kill"),
    *('mix={"chain": 1.0}', "load.agents=100", "load.shape=at_once", "load.warm_up_agents=0"),
    *("llm.latency_ms=50", "liveness_s=40", "run_s=120", "checks_store=true"),
)
CROWD = ("load.agents=400", "liveness_s=15")
"""On one file under three sidecars: with 100 at once, or ten a second, nobody waits for its lock as
long as its busyTimeout of 10 s."""
STORES = Matrix(
    name="stores",
    summary="every broker with every state store, pods killed; and what a step costs on each store",
    entries=(
        *(
            Entry(
                scenario="baseline",
                cell=replace(DAPR, store=store),
                overrides=(
                    *(*CALM_STORE, f"pods={pods}"),
                    *(CROWD if store == "sqlite-shared" else ()),
                ),
            )
            for store, pods in STORE_PODS.items()
        ),
        *(
            Entry(
                scenario="pod_kill",
                cell=replace(DAPR, store=store, broker=broker),
                overrides=(
                    *(*KILLED_STORE, f"pods={pods}", *(AT_ONCE if pods == 1 else IN_TURN)),
                    f"liveness_s={15 if {store, broker} & {*LOSING} else 25}",
                ),
            )
            for broker in BROKERS
            for store, pods in STORE_PODS.items()
        ),
    ),
)

ONE_POD = ("pods=1",)
"""For those that start over, on pods that take 5 to 18 s to be back: until a third strike came
on the other of two, its agents had ended. On one pod all start over, and each strike meets them.
"""
VARIANTS = (
    *(
        (Cell(engine="langgraph", variant=variant), MIX)
        for variant in ("sqlite-async", "sqlite-exit", "memory", "none", "naive")
    ),
    (Cell(engine="langgraph", variant="postgres-sync", store="postgres"), MIX),
    (Cell(engine="dbos", variant="postgres", store="postgres"), MIX),
    (Cell(engine="crewai", variant="flow-checkpoint"), MIX),
    (Cell(engine="crewai", variant="flow"), (*MIX, *ONE_POD)),
    (Cell(engine="crewai", variant="crew"), (*FEWER, *ONE_POD)),
)
IN_POSTGRES = Entry(
    scenario="pod_kill",
    cell=replace(DAPR_AGENTS, store="postgres"),
    overrides=(
        "name=engines_postgres",
        "summary=agents, memory and registry in PostgreSQL; pods killed",
        *(*SMALL, *MIX, *SMALL_STRUCK, "load.agents=60", "load.rate_per_s=1.5", "faults.0.count=2"),
    ),
)
FORMS = tuple(replace(DAPR_AGENTS, variant=variant) for variant in ("mcp", "mcp-durable", "crew"))
"""Tools in the forms that the article names."""
ENGINES = Matrix(
    name="engines",
    summary="what decides the article's claims: engines and variants, killed, calm, throttled",
    asks_again=True,
    entries=(
        *compared((*COMPARED, DBOS), calm_agents=150),
        *(
            Entry(
                scenario="pod_kill",
                cell=cell,
                overrides=(*KILLED, *SMALL, *SMALL_STRUCK, *mix),
            )
            for cell, mix in VARIANTS
        ),
        IN_POSTGRES,
        *(
            Entry(
                scenario="throttle",
                cell=cell,
                overrides=(
                    *("name=engines_throttle", *SMALL, "liveness_s=90", *mix, "faults=[]", QUOTA),
                ),
            )
            for cell, mix in (
                *((cell, MIX) for cell in (*COMPARED, DBOS) if cell != NAIVE),
                (Cell(engine="crewai", variant="crew"), FEWER),
            )
        ),
        *(
            Entry(
                scenario="node_loss",
                cell=cell,
                overrides=("name=engines_all_pods", *SMALL, *MIX, "exposures_min=8"),
            )
            for cell in (DAPR, DAPR_AGENTS)
        ),
        *(
            Entry(
                scenario="baseline",
                cell=cell,
                overrides=(*CALM, *SIZE, *MIX, "load.agents=24", "load.warm_up_agents=0"),
            )
            for cell in FORMS
        ),
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
TRACING = Matrix(
    name="tracing",
    summary="which spans the engines export over OTLP, and which of their traces outlive a pod",
    entries=tuple(
        Entry(scenario="tracing", cell=cell, overrides=overrides)
        for cell, is_quiet_too in (
            (DAPR, True),
            (DAPR_AGENTS, True),
            (LANGGRAPH, True),
            (DBOS, True),
            (CREWAI, False),
        )
        for overrides in (((), ("name=tracing_calm", "faults=[]")) if is_quiet_too else ((),))
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
LATE = ("faults.0.progress_to=0.7",)
"""So that the last victim is back before the last agent ends: else L is unknown."""
PLACED = (*("load.warm_up_agents=0", "pods=2", "liveness_s=180", "run_s=480"), *MIX)
"""Time for pods of Dapr Agents on a busy node, which took 34 s to 83 s to be ready again."""
PLACED_KILL = (
    *("name=platforms_kill", "summary=the same kills of pods, on local pods and on Kubernetes"),
    *PLACED,
    *("load.agents=80", "faults.0.count=4", "faults.0.in_flight_min=4", "exposures_min=8", *LATE),
)
PLACED_CALM = (
    *("name=platforms_calm", "summary=all agents at once, on local pods and on Kubernetes"),
    *PLACED,
    *("load.agents=60", "load.shape=at_once"),
)
PLATFORMS_BESIDE = Matrix(
    name="platforms",
    summary="local pods beside Kubernetes: the same seed, kills and agents on both; 12 min",
    entries=tuple(
        Entry(scenario=scenario, cell=replace(cell, platform=platform), overrides=overrides)
        for cell, rate in ((DAPR, 3), (DAPR_AGENTS, 1.5))
        for scenario, overrides in (
            ("pod_kill", (*PLACED_KILL, f"load.rate_per_s={rate}")),
            ("baseline", PLACED_CALM),
        )
        for platform in PLATFORMS
    ),
)
"""8 cells; those on Kubernetes are skipped where no cluster is named."""
CONTAINERS = ("faults.0.count=4", "faults.0.in_flight_min=4", "exposures_min=8", *LATE)
DAPR_FAULTS = Matrix(
    name="dapr_faults",
    summary="both Dapr engines: containers and whole app killed, poison and crash steps; 15 min",
    entries=tuple(
        Entry(
            scenario=scenario,
            cell=cell,
            overrides=(
                "load.agents=60",
                f"load.rate_per_s={rate}",
                "load.warm_up_agents=0",
                "pods=2",
                *more,
            ),
        )
        for cell, rate in ((DAPR, 4), (DAPR_AGENTS, 2))
        for scenario, more in (
            ("pod_kill", ("name=dapr_kill_worker", "faults.0.kind=kill_worker", *CONTAINERS)),
            ("pod_kill", ("name=dapr_kill_sidecar", "faults.0.kind=kill_sidecar", *CONTAINERS)),
            ("node_loss", ("exposures_min=12", *LATE)),
            ("crash_step", LATE),
            ("poison", ()),
        )
    ),
)
"""10 cells of 60 agents: 45 s to 2 min each with Dapr Workflow, 75 s to 3 min with Dapr Agents, of
which a pod takes 10 s to 20 s to import before it is ready.
"""
ALL = Matrix(
    name="all",
    summary="everything: default, containers killed, dapr_faults, throttle, brokers, scale",
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
        *DAPR_FAULTS.entries,
        *(entry for entry in MESSAGES.entries if entry != SWAPPED),
        *STORES.entries,
        *SCALE.entries,
    ),
)

MATRICES: dict[str, Matrix] = {
    matrix.name: matrix
    for matrix in (
        DEFAULT,
        DEMO,
        TRACING,
        SMOKE,
        SCALE,
        ENGINES,
        DAPR_FAULTS,
        MESSAGES,
        STORES,
        PLATFORMS_BESIDE,
        ALL,
    )
}
