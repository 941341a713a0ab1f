"""`simulate`: a model of a stored run under other loads, or its predictions beside other runs."""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from harness.archive import read_run
from harness.cli.stored import result_of, run_folders
from harness.errors import UsageError
from harness.scenario import with_fields
from harness.simulation.fit import Fitted, Run, fit
from harness.simulation.outcome import outcome_of
from harness.simulation.settings import Settings, Station, capacity_per_s, checked
from harness.simulation.validate import validate
from harness.simulation.walk import simulate
from reports.pages import write_text
from reports.simulation import (
    Simulated,
    encode_simulation,
    render_simulation_markdown,
    render_simulation_text,
)

RATE_RATIO = 0.7
"""Share of the model's capacity that is offered when nobody says a rate."""


def simulate_run(arguments: argparse.Namespace) -> int:
    """Fit a run; then simulate it larger, or predict the runs of ``--validate``."""
    fitted = fit(_run_of(arguments.run))
    command = shlex.join(["onceproof", *sys.argv[1:]])
    if arguments.validate:
        found = _validated(arguments, fitted, command)
        code = 0 if all(one.state == "within" for one in found.compared) else 2
    else:
        settings = asked(arguments, fitted.settings)
        outcome = outcome_of(settings, simulate(settings, arguments.seed), arguments.seed)
        found = Simulated(
            run=str(arguments.run), command=command, sources=fitted.sources, outcome=outcome
        )
        code = 0
    print(render_simulation_text(found), end="")
    for path, data in (
        (arguments.markdown, render_simulation_markdown(found).encode()),
        (arguments.json, encode_simulation(found)),
    ):
        if path is not None:
            print(f"also: {write_text(path, data)}")
    return code


def asked(arguments: argparse.Namespace, settings: Settings) -> Settings:
    """The fitted settings as the caller wants them: each pod on a machine of its own.

    Raises:
        UsageError: what cannot be, in one message.
    """
    pods = settings.pods if arguments.pods is None else arguments.pods
    agents = settings.agents if arguments.agents is None else arguments.agents
    given = {override.partition("=")[0] for override in arguments.overrides}
    doubled = [
        f"--{name} and --set {field}"
        for name, field in (("agents", "agents"), ("pods", "pods"), ("rate", "rate_per_s"))
        if getattr(arguments, name) is not None and field in given
    ]
    if doubled:
        raise UsageError(f"{', '.join(doubled)} contradict each other; say one of them")
    if arguments.rate is not None and settings.shape == "at_once" and "shape" not in given:
        arguments.overrides.append("shape=constant")
    # Kills of the fitted run belong to its own load.
    settings = replace(settings, agents=agents, pods=pods, machine=Station(), kills=())
    if arguments.rate is not None:
        settings = replace(settings, rate_per_s=arguments.rate)
    settings = checked(with_fields(settings, arguments.overrides), source="simulate")
    if arguments.rate is None and "rate_per_s" not in given:
        settings = replace(settings, rate_per_s=RATE_RATIO * min(capacity_per_s(settings)[0], 1e6))
    return checked(settings, source="simulate")


def _validated(arguments: argparse.Namespace, fitted: Fitted, command: str) -> Simulated:
    wrong = [name for name in ("agents", "pods", "rate") if getattr(arguments, name) is not None]
    if wrong:
        raise UsageError(f"--{', --'.join(wrong)} contradict --validate: its runs say them")
    fitted = replace(fitted, settings=with_fields(fitted.settings, arguments.overrides))
    runs = [_run_of(root) for root in run_folders(arguments.validate)]
    own = [run.name for run in runs if Path(run.name).resolve() == arguments.run.resolve()]
    if own:
        raise UsageError(f"{own[0]} is the run that the model is fitted on; leave it out")
    return Simulated(
        run=str(arguments.run),
        command=command,
        sources=fitted.sources,
        outcome=None,
        compared=validate(fitted, runs),
    )


def _run_of(root: Path) -> Run:
    archived = read_run(root)
    return Run(
        name=str(root),
        plan=archived.plan,
        evidence=archived.evidence,
        facts=archived.facts,
        result=result_of(root),
    )
