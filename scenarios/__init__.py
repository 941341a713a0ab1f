"""The scenarios that ship with onceproof, by name; a module each, which holds one constant."""

from harness.scenario import Scenario
from scenarios.baseline import SCENARIO as BASELINE
from scenarios.broker_swap import SCENARIO as BROKER_SWAP
from scenarios.broker_swap_hard import SCENARIO as BROKER_SWAP_HARD
from scenarios.crash_step import SCENARIO as CRASH_STEP
from scenarios.dead_letters import SCENARIO as DEAD_LETTERS
from scenarios.flash_crowd import SCENARIO as FLASH_CROWD
from scenarios.herd import SCENARIO as HERD
from scenarios.ladder import SCENARIO as LADDER
from scenarios.message_starts import SCENARIO as MESSAGE_STARTS
from scenarios.node_loss import SCENARIO as NODE_LOSS
from scenarios.parked import SCENARIO as PARKED
from scenarios.patterns import SCENARIO as PATTERNS
from scenarios.patterns_kill import SCENARIO as PATTERNS_KILL
from scenarios.patterns_throttle import SCENARIO as PATTERNS_THROTTLE
from scenarios.pod_kill import SCENARIO as POD_KILL
from scenarios.poison import SCENARIO as POISON
from scenarios.scale import SCENARIO as SCALE
from scenarios.scheduler_kill import SCENARIO as SCHEDULER_KILL
from scenarios.team import SCENARIO as TEAM
from scenarios.throttle import SCENARIO as THROTTLE
from scenarios.tracing import SCENARIO as TRACING

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        BASELINE,
        POD_KILL,
        THROTTLE,
        SCALE,
        TRACING,
        PATTERNS,
        PATTERNS_KILL,
        PATTERNS_THROTTLE,
        NODE_LOSS,
        PARKED,
        POISON,
        CRASH_STEP,
        LADDER,
        HERD,
        FLASH_CROWD,
        BROKER_SWAP,
        BROKER_SWAP_HARD,
        SCHEDULER_KILL,
        DEAD_LETTERS,
        TEAM,
        MESSAGE_STARTS,
    )
}
