"""`onceproof cluster`: a real Kubernetes of one node on this machine, thrown away after use."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable
from threading import Event

from harness.clock import NS_PER_S, SystemClock
from harness.cluster.onenode.dapr import install_chaos_mesh, install_dapr, try_workers
from harness.cluster.onenode.place import Place, Tools
from harness.cluster.onenode.starter import (
    brought_up,
    environ_of,
    folder_of,
    in_network,
    take_down,
)
from harness.errors import UsageError
from harness.provide.cache import cache_folder
from harness.provide.onenode.tools import find_tools

CLOCK = SystemClock()
ENGINES = ("dapr_workflow",)
"""Whose workers the image can run unless told otherwise."""


def cluster(arguments: argparse.Namespace) -> int:
    """Do what the second word says."""
    place = folder_of(cache_folder(), arguments.name)
    actions: dict[str, Callable[[argparse.Namespace, Place], int]] = {
        "prepare": _prepare,
        "up": _up,
        "try": _try,
        "down": _down,
        "status": _status,
        "enter": _enter,
    }
    return actions[arguments.action](arguments, place)


def _prepare(arguments: argparse.Namespace, _place: Place) -> int:
    tools = _tools(arguments)
    print(f"worker image: {tools.worker}")
    return 0


def _up(arguments: argparse.Namespace, place: Place) -> int:
    tools = _tools(arguments)
    with brought_up(place, tools, print) as release:
        if tools.dapr:
            install_dapr(place, tools, _since_now())
            print(f"worker image: {tools.worker}")
        if tools.chaos_mesh:
            install_chaos_mesh(place, tools, _since_now())
        print(f"kubeconfig: {place.kubeconfig} (inside: onceproof cluster enter -- COMMAND)")
        if arguments.foreground:
            _wait_for_signal()
            print("taking it down")
        else:
            release()
    return 0


def _try(arguments: argparse.Namespace, place: Place) -> int:
    """Up with Dapr and three workers, and down again: what `make cluster` shows."""
    tools = find_tools(print, engines=arguments.engine or ENGINES)
    say = _since_now()
    with brought_up(place, tools, print):
        install_dapr(place, tools, say)
        try_workers(place, tools, say)
    say("all of it is gone")
    return 0


def _down(_arguments: argparse.Namespace, place: Place) -> int:
    was_up = take_down(place)
    print(f"{place.root}: {'taken down; its logs stay' if was_up else 'no cluster was up'}")
    return 0


def _status(_arguments: argparse.Namespace, place: Place) -> int:
    record = place.read_record()
    if record is None:
        print(f"{place.root}: no cluster is up")
        return 0
    if not place.is_kept():
        raise UsageError(f"{place.root}: its keeper was killed; `onceproof cluster down` clears up")
    print(f"up: keeper {record.keeper.partition('.')[0]}, process 1 is {record.init} here")
    print(f"kubeconfig: {place.kubeconfig}")
    print(f"dapr: {record.tools['dapr'] or 'none'}")
    print(f"worker image: {record.tools['worker'] or 'none'}")
    return 0


def _enter(arguments: argparse.Namespace, place: Place) -> int:
    """Run a command in the cluster's network; its exit code."""
    words: list[str] = arguments.words
    record = place.read_record()
    if words[0] == "kubectl" and record is not None:
        words = [str(record.tools["kube"]), *words]
    return subprocess.run(
        in_network(place, words), check=False, env=environ_of(place), stdin=sys.stdin
    ).returncode


def _tools(arguments: argparse.Namespace) -> Tools:
    engines = None if arguments.bare else arguments.engine or ENGINES
    return find_tools(
        print,
        has_dapr=not arguments.bare,
        engines=engines,
        has_harness=arguments.harness,
        has_chaos_mesh=arguments.chaos_mesh,
    )


def _since_now() -> Callable[[str], None]:
    """Prints lines with their seconds since now."""
    began_ns = CLOCK.monotonic_ns()

    def say(line: str) -> None:
        print(f"{(CLOCK.monotonic_ns() - began_ns) / NS_PER_S:6.1f} s  {line}", flush=True)

    return say


def _wait_for_signal() -> None:
    """Until Ctrl-C or SIGTERM."""
    asked = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: asked.set())
    asked.wait()
