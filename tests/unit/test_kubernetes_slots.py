"""Which pod of a cluster has which slot, and which look at it counts."""

from pathlib import Path

import yaml

from harness.cli.arguments import parser
from harness.cli.asking import orders_of
from harness.cli.platform import placed_of, told
from harness.cluster.kubernetes.container import started
from harness.cluster.kubernetes.identity import Asked
from harness.cluster.kubernetes.slots import KubernetesPod, Slots
from harness.cluster.kubernetes.states import PodState
from harness.cluster.kubernetes.strike import pids_of
from harness.ids import Slot


def slots_of(*names: str, app: str = "app") -> Slots:
    return Slots({name: KubernetesPod(slot=Slot(name), app_id=app) for name in names})


def claim(slots: Slots, uid: str, *, starts: int = 1, ordinal: int | None = None) -> bool:
    asked = Asked(pod=f"pod-{uid}", uid=uid, starts=starts)
    return slots.claim(asked, app="app", ordinal=ordinal, now_ns=0)


def look(
    uid: str, *, is_ready: bool = True, is_leaving: bool = False, worker: int = 0, daprd: int = 0
) -> PodState:
    return PodState(
        name=f"pod-{uid}",
        uid=uid,
        app="app",
        is_ready=is_ready and not is_leaving,
        is_leaving=is_leaving,
        has_sidecar=True,
        restarts={"worker": worker, "daprd": daprd},
        last_ends={"worker": "Error, exit 137"} if worker else {},
        trouble="",
        is_hopeless=False,
    )


def test_a_new_pod_gets_a_slot_only_when_one_is_free() -> None:
    """Two pods for one slot would be one caller in the ledger."""
    slots = slots_of("agents-1", "agents-2")

    assert claim(slots, "u1")
    assert claim(slots, "u2")
    assert not claim(slots, "u3")
    slots.see(look("u1", is_leaving=True))
    assert claim(slots, "u3")
    assert slots.by_slot["agents-1"].caller == "agents-1.2"


def test_a_pod_of_a_stateful_set_has_the_slot_of_its_ordinal() -> None:
    """Its volume is that slot's; it waits when the pod before it is still there."""
    slots = slots_of("agents-1", "agents-2")

    assert claim(slots, "u2", ordinal=1)
    assert slots.by_slot["agents-2"].uid == "u2"
    assert not claim(slots, "u3", ordinal=1)
    slots.gone("u2")
    assert claim(slots, "u3", ordinal=1)
    assert slots.by_slot["agents-2"].caller == "agents-2.2"


def test_a_question_asked_twice_is_one_incarnation() -> None:
    """The first answer may have been lost on its way."""
    slots = slots_of("agents-1")

    assert claim(slots, "u1")
    assert claim(slots, "u1")
    assert slots.by_slot["agents-1"].caller == "agents-1.1"


def test_a_look_from_before_the_restart_makes_nobody_ready() -> None:
    """The API may tell of the container that died when the next one has asked already."""
    slots = slots_of("agents-1")
    claim(slots, "u1")
    slots.see(look("u1"))
    claim(slots, "u1", starts=2)
    pod = slots.by_slot["agents-1"]

    slots.see(look("u1"))
    assert (pod.caller, pod.is_up) == ("agents-1.2", False)
    change = slots.see(look("u1", worker=1))
    assert pod.is_up
    assert change is not None
    assert change.became_up
    assert change.ends == {"worker": "worker of agents-1 (pod pod-u1) ended: Error, exit 137"}


def test_a_pod_that_is_gone_late_takes_nothing_from_its_successor() -> None:
    """Its deletion may be told after the next pod is ready."""
    slots = slots_of("agents-1")
    claim(slots, "u1")
    slots.see(look("u1", is_leaving=True))
    claim(slots, "u2")
    slots.see(look("u2"))

    assert slots.gone("u1") is None
    assert slots.by_slot["agents-1"].is_up


def test_starts_of_a_container_are_counted_in_the_pods_folder(tmp_path: Path) -> None:
    """So that the harness tells one life from the next."""
    assert [started(tmp_path) for _ in range(3)] == [1, 2, 3]


def test_a_process_is_found_by_its_program(tmp_path: Path) -> None:
    """Files of /proc that are no processes are passed over."""
    for pid, name in (("7", "daprd"), ("8", "python3"), ("self", "daprd")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "comm").write_text(name + "\n")

    assert pids_of("daprd", tmp_path) == [7]


def test_a_dry_run_prints_what_would_be_deployed() -> None:
    """Annotations on the pod template, the component with a place for its address; no cluster."""
    words = ["run", "pod_kill", "--platform", "kubernetes", "--worker-image", "w:1", "--dry-run"]
    arguments = parser().parse_args(words)
    _, orders = orders_of(arguments)
    back_end = placed_of(arguments, orders)["kubernetes"].back_end

    objects = {one["kind"]: one for one in yaml.safe_load_all(told(back_end, orders))}

    assert {"Namespace", "Component", "Configuration", "Service", "Deployment"} <= set(objects)
    template = objects["Deployment"]["spec"]["template"]
    assert template["metadata"]["annotations"]["dapr.io/enabled"] == "true"
    assert "annotations" not in objects["Deployment"]["metadata"]
    values = {one["name"]: one["value"] for one in objects["Component"]["spec"]["metadata"]}
    assert values["redisHost"] == "HARNESS:PORT"


def test_slots_with_a_state_of_their_own_are_a_stateful_set() -> None:
    """Their folder must outlive the pod, and belong to the slot."""
    words = ["run", "baseline", "--engine", "langgraph", "--platform", "kubernetes", "--dry-run"]
    arguments = parser().parse_args([*words, "--worker-image", "w:1"])
    _, orders = orders_of(arguments)
    back_end = placed_of(arguments, orders)["kubernetes"].back_end

    objects = yaml.safe_load_all(told(back_end, orders))
    (workload,) = (one for one in objects if one["apiVersion"] == "apps/v1")

    assert workload["kind"] == "StatefulSet"
    assert workload["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "state"
