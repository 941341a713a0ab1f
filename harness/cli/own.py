"""`--worker` and its companions: from words to an engine that no registry knows."""

import argparse
import os
import shlex
import shutil
from pathlib import Path

from harness.clock import SystemClock
from harness.cluster.ports import Ports
from harness.engines.external.adapter import ENGINE, column_of, said_by_hand, spec_of_said
from harness.errors import UsageError
from harness.expectations import own_expectations
from harness.plan import Cell
from harness.runner.own import OwnEngine, ask, read_own

_COMPANIONS = ("about", "sidecar", "expectations")


def own_of(arguments: argparse.Namespace, problems: list[str]) -> tuple[OwnEngine, Cell] | None:
    """The worker that was named, and its column; None without one, or with one that cannot be.

    What is wrong is added to ``problems``. The worker is started once and asked what it is, unless
    ``--about`` or ``--sidecar`` is given; nothing of it is left.
    """
    problems += _misused(arguments)
    if arguments.worker is None or problems:
        return None
    try:
        command = _command_of(arguments.worker)
        promised = own_expectations(arguments.expectations) if arguments.expectations else {}
        asked = (arguments.engine or "").partition(":")[2]
        said = (
            said_by_hand([*([f"variant={asked}"] if asked else []), *arguments.about])
            if arguments.about or arguments.sidecar
            else ask(command, variant=asked, clock=SystemClock(), ports=Ports(os.getpid()))
        )
        spec = spec_of_said(said, command, has_sidecar=arguments.sidecar)
    except UsageError as error:
        problems.append(str(error))
        return None
    own = OwnEngine(spec=spec, expectations=promised)
    store = arguments.store or spec.stores[0]
    return own, Cell(engine=ENGINE, variant=column_of(said), store=store)


def own_again(root: Path, engine: str, *, is_trusted: bool) -> OwnEngine | None:
    """The worker of a stored run, to be run again; None for an engine of a registry.

    Raises:
        UsageError: it is not trusted, or its file cannot be read.
    """
    if engine != ENGINE:
        return None
    own = read_own(root)
    if not is_trusted:
        raise UsageError(
            f"{root} names a command of its own, {shlex.join(own.spec.worker)!r}; a run may come "
            "from a stranger: say --trust if this is yours"
        )
    return own


def _misused(arguments: argparse.Namespace) -> list[str]:
    """Options that do not go together."""
    engine = (arguments.engine or ENGINE).partition(":")[0]
    if arguments.worker is not None:
        wrong = engine != ENGINE
        return [f"--worker does not go with --engine {arguments.engine}"] if wrong else []
    given = [f"--{name}" for name in _COMPANIONS if getattr(arguments, name)]
    return [f"{', '.join(given)} without --worker COMMAND"] if given else []


def _command_of(text: str) -> tuple[str, ...]:
    """The words of a command, its first made absolute.

    Raises:
        UsageError: none, a quote that is not closed, or no such command.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--worker {text!r}: {error}; quote it as in a shell") from error
    if not words:
        raise UsageError("--worker is empty, expected a command such as 'python worker.py'")
    found = shutil.which(words[0])
    if found is None:
        raise UsageError(f"--worker: no command {words[0]!r}; expected one on PATH or a path")
    return (found, *words[1:])
