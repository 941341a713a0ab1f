"""What strikes, in one registry. Each acts through Stage only."""

from harness.faults.control_plane import KillPlacement, KillScheduler
from harness.faults.crashes import CrashStep
from harness.faults.drops import DropAnswer
from harness.faults.kills import KillAll, KillPod, KillSidecar, KillWorker
from harness.faults.swaps import (
    BrokerKill,
    BrokerLoss,
    BrokerRestart,
    BrokerSwap,
    BrokerSwapDual,
    BrokerSwapHard,
    BrokerSwapReload,
    ComponentSpoiled,
)
from harness.protocols import Fault

FAULTS: dict[str, Fault] = {
    "kill_pod": KillPod(),
    "kill_all": KillAll(),
    "kill_worker": KillWorker(),
    "kill_sidecar": KillSidecar(),
    "crash_step": CrashStep(),
    "drop_answer": DropAnswer(),
    "broker_swap": BrokerSwap(),
    "broker_swap_hard": BrokerSwapHard(),
    "broker_swap_dual": BrokerSwapDual(),
    "broker_swap_reload": BrokerSwapReload(),
    "component_spoiled": ComponentSpoiled(),
    "broker_kill": BrokerKill(),
    "broker_restart": BrokerRestart(),
    "broker_loss": BrokerLoss(),
    "kill_scheduler": KillScheduler(),
    "kill_placement": KillPlacement(),
}
