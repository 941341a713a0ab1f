"""What strikes, in one registry. Each acts through Stage only."""

from harness.faults.control_plane import (
    KillInjector,
    KillInjectorAndPod,
    KillOperator,
    KillPlacement,
    KillScheduler,
    KillSentry,
)
from harness.faults.crashes import CrashStep
from harness.faults.drops import DropAnswer
from harness.faults.kills import KillAll, KillPod, KillSidecar, KillWorker
from harness.faults.swaps import (
    BrokerKill,
    BrokerLoss,
    BrokerRestart,
    BrokerSwap,
    BrokerSwapDual,
    BrokerSwapFlip,
    BrokerSwapHard,
    BrokerSwapReload,
    ComponentSpoiled,
)
from harness.faults.workloads import ChaosPodKill, EvictPod, RolloutRestart, ScaleDown
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
    "broker_swap_flip": BrokerSwapFlip(),
    "component_spoiled": ComponentSpoiled(),
    "broker_kill": BrokerKill(),
    "broker_restart": BrokerRestart(),
    "broker_loss": BrokerLoss(),
    "kill_scheduler": KillScheduler(),
    "kill_placement": KillPlacement(),
    "kill_sentry": KillSentry(),
    "kill_operator": KillOperator(),
    "kill_injector": KillInjector(),
    "kill_injector_and_pod": KillInjectorAndPod(),
    "evict_pod": EvictPod(),
    "rollout_restart": RolloutRestart(),
    "scale_down": ScaleDown(),
    "chaos_pod_kill": ChaosPodKill(),
}
_NO_SERVER = "local sidecars read files and have no certificates, so that no {} is there to strike"
ON_CLUSTER_ONLY = {
    "kill_sentry": _NO_SERVER.format("sentry"),
    "kill_operator": _NO_SERVER.format("operator"),
    "kill_injector": _NO_SERVER.format("injector"),
    "kill_injector_and_pod": _NO_SERVER.format("injector"),
    "evict_pod": "a cluster's API evicts; kill_pod with grace: true ends a local pod so",
    "chaos_pod_kill": "Chaos Mesh is a cluster's; kill_pod kills a local pod so",
    "scale_down": "a cluster's API scales; kill_pod with grace: true ends a local pod for a while",
}
"""Kind -> why local pods cannot have it, and what comes near."""
