"""`doctor --sweep --platform kubernetes`: what dead runs left on a cluster."""

import argparse

from harness.errors import UsageError


def add_sweep_of_cluster(doctor: argparse.ArgumentParser) -> None:
    """Add the options that name a cluster."""
    doctor.add_argument(
        "--platform",
        choices=("local", "kubernetes"),
        default="local",
        help="with kubernetes, --sweep also removes what dead runs of this machine left there",
    )
    doctor.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig")


def problem_of_sweep(arguments: argparse.Namespace) -> str:
    """Why these options do not go together; empty when they do."""
    if arguments.platform == "kubernetes" and not arguments.sweep:
        return "doctor --platform kubernetes goes with --sweep only: it looks for what runs left"
    if arguments.context and arguments.platform != "kubernetes":
        return "--context goes with --platform kubernetes only"
    return ""


def sweep_cluster(context: str) -> None:
    """Remove the namespaces of runs whose command is gone, and say so of each.

    Raises:
        UsageError: no such cluster, or its library is not installed.
        MachineError: the cluster does not answer, or a namespace stays.
    """
    try:
        # Only here: its library is an extra, and takes more than a second to import.
        from harness.cluster.kubernetes.left import sweep_left  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--platform kubernetes needs {error.name}: pip install onceproof[kubernetes]"
        ) from error
    found = sweep_left(context)
    for one in found:
        print(f"namespace {one.namespace}: {one.state}")
    print(f"{sum(one.state == 'removed' for one in found)} namespaces removed")
