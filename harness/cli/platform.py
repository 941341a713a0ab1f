"""The options that say where pods are to live, and the back ends that they choose."""

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from harness.brokers import make_broker
from harness.brokers.place import BrokerPlace
from harness.clock import SystemClock
from harness.cluster.back_end import BackEnd
from harness.cluster.components import components_beside, write_component, write_messages
from harness.cluster.dapr import APP_ID
from harness.cluster.pods import PodTemplate
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.errors import UsageError
from harness.faults import FAULTS, ON_CLUSTER_ONLY
from harness.faults.control_plane import ServerKill
from harness.plan import KUBERNETES, PLATFORMS, slots_of
from harness.protocols import Component
from harness.provide.data import components_folder
from harness.provide.server import Server
from harness.runner.blank import recovery_of
from harness.runner.order import RELOAD, SPOIL, Order, engine_of, reloads
from harness.runner.set_up import Placed

IMAGE = "ONCEPROOF_WORKER_IMAGE"
STORES = ("redis", "none")
"""Those that are reached over the network, and none."""
NAMED_BY = ("KUBECONFIG", "KUBERNETES_SERVICE_HOST")
"""Variables that lead to a cluster: of the user, and of a pod that this runs in."""
PLACEHOLDER = "HARNESS:PORT"


def add_platform(command: argparse.ArgumentParser) -> None:
    """Add the group of options."""
    group = command.add_argument_group("where pods live", "see docs/kubernetes.md")
    group.add_argument(
        "--platform",
        default="",
        metavar="NAME[,NAME]",
        help=f"{' or '.join(PLATFORMS)}; with both, every run once on each (default: as the matrix "
        "or the stored run has it, else local)",
    )
    group.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig")
    group.add_argument(
        "--worker-image", default="", metavar="IMAGE", help=f"of the workers (default: ${IMAGE})"
    )
    group.add_argument(
        "--reach",
        default="",
        metavar="ADDRESS",
        help="of this machine, as pods reach it (default: that towards the cluster's API)",
    )
    group.add_argument(
        "--yes-this-cluster",
        action="store_true",
        help="also where the context looks like production",
    )


def placed_orders(
    arguments: argparse.Namespace, orders: list[Order], problems: list[str]
) -> list[Order]:
    """The orders on the platforms that were asked for, each run once on each.

    What cannot run on the one platform that was asked for is a problem; where there are both, it
    is skipped.
    """
    asked = [name for name in getattr(arguments, "platform", "").split(",") if name]
    problems += [
        f"--platform: unknown {name!r}; known: {', '.join(PLATFORMS)}"
        for name in asked
        if name not in PLATFORMS
    ]
    found: list[Order] = []
    for order in orders:
        for platform in asked or (order.cell.platform,):
            one = replace(order, cell=replace(order.cell, platform=platform))
            if not asked or one not in found:
                found.append(one)
    reasons = {order.name: _obstacles(arguments, order) for order in found}
    platforms = {order.cell.platform for order in found}
    if KUBERNETES not in platforms:
        problems += _needless_options(arguments)
    if len(platforms) < 2:
        told = (text for texts in reasons.values() for text in texts)
        problems += [text for text in dict.fromkeys(told) if text not in problems]
        return found
    for order in found:
        if order.cell.platform == KUBERNETES:
            reasons[order.name] += _unnamed(arguments)
    return [replace(order, why_skipped="; ".join(reasons[order.name])) for order in found]


def _unnamed(arguments: argparse.Namespace) -> list[str]:
    """Why no cluster can be meant, where one was asked for beside local pods."""
    has_file = (Path.home() / ".kube" / "config").exists()
    is_told = getattr(arguments, "context", "") or any(map(os.environ.get, NAMED_BY))
    if is_told or has_file:
        return []
    return ["no cluster: set KUBECONFIG, name --context, or make one: `onceproof cluster up`"]


def _needless_options(arguments: argparse.Namespace) -> list[str]:
    return [
        f"{option} goes with --platform kubernetes only"
        for option, name in (
            ("--context", "context"),
            ("--worker-image", "worker_image"),
            ("--reach", "reach"),
            ("--yes-this-cluster", "yes_this_cluster"),
        )
        if getattr(arguments, name, "")
    ]


def _obstacles(arguments: argparse.Namespace, order: Order) -> list[str]:
    """What makes an order impossible on its platform, before any cluster is asked."""
    cell, scenario = order.cell, order.scenario
    if cell.platform != KUBERNETES:
        return [
            f"fault {kind} goes with --platform kubernetes only: {ON_CLUSTER_ONLY[kind]}"
            for kind in dict.fromkeys(fault.kind for fault in scenario.faults)
            if kind in ON_CLUSTER_ONLY
        ]
    if not hasattr(arguments, "platform"):
        return [
            "this command takes no cluster; run it with `onceproof run --platform kubernetes`, and "
            "name the stored runs here"
        ]
    problems = []
    if not image_of(arguments):
        problems.append(
            f"no image of the workers: name it with --worker-image or ${IMAGE}; see "
            "docs/kubernetes.md"
        )
    kinds = {fault.kind for fault in scenario.faults}
    if SPOIL in kinds:
        problems.append(f"fault {SPOIL}: a cluster's API takes no object that is no YAML")
    swaps = {kind for kind in kinds if kind.startswith("broker_swap")}
    if reloads(scenario) and len(swaps) > 1:
        problems.append(
            f"fault {RELOAD}: sidecars of a cluster that take in a patched component would do so "
            "at every other swap, too; one kind of swap a run"
        )
    if scenario.tracing:
        problems.append(f"{scenario.name}: spans are not taken on Kubernetes yet")
    if "parked" in scenario.mix:
        problems.append(f"{scenario.name}: parked agents are not measured on Kubernetes yet")
    problems += [
        f"fault {fault.kind}: on Kubernetes a StatefulSet brings back at once whichever "
        "it is; leave down_s at 0 and name no leader or follower"
        for fault in scenario.faults
        if isinstance(FAULTS.get(fault.kind), ServerKill)
        and (fault.down_s != 0 or fault.member in ("leader", "follower"))
    ]
    keeps_own = order.own is None and recovery_of(order) == "assisted"
    if cell.store not in STORES and not (keeps_own and cell.store == "sqlite"):
        problems.append(
            f"store {cell.store} is not reached from a pod network yet; take one of "
            f"{', '.join(STORES)}"
        )
    return problems


def image_of(arguments: argparse.Namespace) -> str:
    """The image that was named, by option or variable."""
    return str(arguments.worker_image or os.environ.get(IMAGE, ""))


def placed_of(arguments: argparse.Namespace, orders: list[Order]) -> dict[str, Placed]:
    """The cluster, where runs are to be on one; it is looked at, unless nothing is to be started.

    Raises:
        UsageError: with everything that is wrong with the cluster.
        MachineError: it does not answer.
    """
    away = [one for one in orders if one.cell.platform == KUBERNETES and not one.why_skipped]
    return {KUBERNETES: _cluster_of(arguments, away)} if away else {}


def _cluster_of(arguments: argparse.Namespace, orders: list[Order]) -> Placed:
    try:
        # Only here: its library is an extra, and takes more than a second to import.
        from harness.cluster.kubernetes.back_end import KubernetesBackEnd  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--platform kubernetes needs {error.name}: pip install onceproof[kubernetes]"
        ) from error
    image = image_of(arguments)
    back_end = KubernetesBackEnd(context=arguments.context, image=image, host=arguments.reach)
    facts = {"worker image": image, "pods": "Kubernetes pods, of a cluster that was not looked at"}
    if getattr(arguments, "dry_run", False):
        return Placed(back_end=back_end, facts=facts)
    specs = [engine_of(order) for order in orders]
    found = back_end.look(
        needs_dapr=any(spec.needs_dapr for spec in specs),
        needs_volumes=any(spec.recovery == "assisted" for spec in specs),
        is_sure=arguments.yes_this_cluster,
        needs_messages=any(order.cell.broker != "none" for order in orders),
        faults=frozenset(fault.kind for order in orders for fault in order.scenario.faults),
    )
    facts["pods"] = f"Kubernetes pods: {found.version}, context {found.context}"
    if found.dapr:
        facts["daprd"] = f"the cluster's own, {found.dapr}, namespace {found.dapr_namespace}"
    facts["witness"] = f"beside the harness, at {back_end.host}"
    return Placed(back_end=back_end, facts=facts)


def told(back_end: BackEnd, orders: list[Order]) -> str:
    """What the orders would deploy, as YAML; addresses that are not known yet are named so."""
    texts = []
    for order in orders:
        with tempfile.TemporaryDirectory() as folder:
            template = _template(order, Path(folder))
            texts.append(back_end.manifests(template, slots_of(order.scenario)))
    return "".join(texts)


def _template(order: Order, folder: Path) -> PodTemplate:
    """As a run makes it, short of addresses; the components are written to ``folder``."""
    spec, store = engine_of(order), order.cell.store
    if spec.needs_dapr:
        state = Component(file=f"state-{store}.yaml", metadata={"redisHost": PLACEHOLDER})
        for one in (state, *components_beside(state, spec.components)):
            write_component(one, source=components_folder(), target=folder)
    if (broker := _broker(order, folder)) is not None:
        declare = write_component if spec.is_subscribing else write_messages
        declare(broker, source=components_folder(), target=folder)
    return PodTemplate(
        worker=spec.worker,
        environ={
            "ONCEPROOF_VARIANT": spec.variant,
            "ONCEPROOF_STATE_URL": f"redis://{PLACEHOLDER}" if store == "redis" else "",
        },
        witness=f"http://{PLACEHOLDER}",
        state=folder,
        sidecar=None,
        app_ids=spec.app_ids or (APP_ID,),
        components=folder,
        needs_dapr=spec.needs_dapr,
        is_assisted=spec.recovery == "assisted",
        takes_messages=order.cell.broker != "none",
        reloads=reloads(order.scenario),
    )


def _broker(order: Order, folder: Path) -> Component | None:
    """The component of the run's first broker, at an address that is not known yet."""
    name, clock = order.cell.broker, SystemClock()
    server = Server(url=f"{name}://{PLACEHOLDER}", version="", origin="")
    place = BrokerPlace(
        folder=folder,
        processes=Processes(run=folder, logs=folder, clock=clock),
        ports=Ports(0),
        servers={name: server},
    )
    return make_broker(name, place).component()
