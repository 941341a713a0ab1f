"""What may stand on the command line."""

import argparse
from pathlib import Path
from typing import NoReturn

from harness import __version__
from harness.cli.platform import add_platform
from harness.cli.sweeping import add_sweep_of_cluster

EXIT_CODES = """exit codes:
  0 valid   1 invalid against the engine's own promises   2 unknown   3 regression
  254 you or this machine can mend it, nothing was started   255 broken in mid-run
"""

DAPR_BIN = "of the Dapr binaries (default: found or built)"
OUT = "of the runs (default: runs)"
STORED = "folders of runs; that of a matrix stands for all of its runs"


class _Parser(argparse.ArgumentParser):
    """Usage errors exit with 254, not with 2, which means unknown."""

    def error(self, message: str) -> NoReturn:
        self.print_usage()
        self.exit(254, f"onceproof: {message}; see `{self.prog} --help`\n")


def parser() -> argparse.ArgumentParser:
    """Build the parser; every command has its own help."""
    top = _Parser(
        prog="onceproof",
        description="Crash-tests for durable AI agents.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"onceproof {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    _add_run(
        commands.add_parser("run", help="run a scenario or a matrix, judge it, write the page")
    )
    listing = commands.add_parser("list", help="scenarios, engines, stores, faults, matrices")
    listing.add_argument("--fields", action="store_true", help="what --set can set, with defaults")
    check = commands.add_parser("check", help="judge stored runs again, from their files alone")
    check.add_argument("runs", nargs="+", type=Path, metavar="RUN", help=STORED)
    repro = commands.add_parser("repro", help="run a stored run's plan again, with its seed")
    repro.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    repro.add_argument(
        "--trust", action="store_true", help="run the worker's command that the run itself names"
    )
    _add_machine(repro)
    add_platform(repro)
    _add_shrink(
        commands.add_parser("shrink", help="a smaller scenario that still shows a run's anomaly")
    )
    _add_capacity(
        commands.add_parser("capacity", help="a ladder of load: how many agents, what binds")
    )
    _add_sweep(commands.add_parser("sweep", help="strike every call of one program at every point"))
    _add_report(
        commands.add_parser("report", help="write the page of a stored matrix or run again")
    )
    _add_simulate(
        commands.add_parser("simulate", help="what a stored run would be with more agents and pods")
    )
    _add_gate(commands.add_parser("gate", help="against a baseline: promises, costs, timings"))
    _add_baseline(commands.add_parser("baseline", help="write what a gate compares with"))
    _add_claims(
        commands.add_parser(
            "claims", help="the article's claims, by the results of stored matrices"
        )
    )
    explain = commands.add_parser("explain", help="one agent's timeline, in plain words")
    explain.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    explain.add_argument("agent", metavar="AGENT", help="as in a000017; the page names the worst")
    doctor = commands.add_parser("doctor", help="what this machine has, and how to get the rest")
    doctor.add_argument("--sweep", action="store_true", help="end what dead runs left over")
    doctor.add_argument("--dapr-bin", type=Path, metavar="FOLDER", help=DAPR_BIN)
    add_sweep_of_cluster(doctor)
    _add_cluster(
        commands.add_parser("cluster", help="a real Kubernetes on this machine, thrown away after")
    )
    clean = commands.add_parser("clean", help="remove stored runs")
    clean.add_argument("--out", type=Path, default=Path("runs"), metavar="FOLDER", help=OUT)
    clean.add_argument(
        "--keep", type=int, default=0, metavar="N", help="keep the newest N (default: none)"
    )
    return top


def _add_cluster(command: argparse.ArgumentParser) -> None:
    command.description = (
        "A real Kubernetes of one node with Dapr's own control plane, in namespaces of its own; "
        "needs root. See docs/cluster.md."
    )
    actions = command.add_subparsers(
        dest="action",
        metavar="ACTION",
        parser_class=_Parser,
        required=True,
        help="what to do with it",
    )
    for name, text in (
        ("prepare", "build and fetch all that it is made of"),
        ("up", "bring it up and leave it running"),
        ("try", "up with Dapr and three workers, and down again, with times"),
        ("down", "take it down, and clear up after a killed one"),
        ("status", "whether it is up, and its kubeconfig"),
        ("enter", "run a command in its network; kubectl is ours"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--name", default="default", help="of the cluster (default: default)")
        if name in ("prepare", "up", "try"):
            action.add_argument(
                "--engine",
                action="append",
                metavar="NAME",
                help="whose worker the image can run (default: dapr_workflow); may be repeated",
            )
        if name in ("prepare", "up"):
            action.add_argument("--bare", action="store_true", help="no Dapr, no worker's image")
            action.add_argument(
                "--harness",
                action="store_true",
                help="the worker's image has the harness, too, for kubernetes/chart",
            )
            action.add_argument(
                "--chaos-mesh",
                action="store_true",
                help="with Chaos Mesh's controller, for the fault chaos_pod_kill",
            )
        if name == "up":
            action.add_argument(
                "--foreground", action="store_true", help="take it down when this command ends"
            )
        if name == "enter":
            action.add_argument("words", nargs="+", metavar="COMMAND", help="after --")


def _add_baseline(command: argparse.ArgumentParser) -> None:
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help=STORED)
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the baseline"
    )
    command.add_argument(
        "--reason", required=True, metavar="TEXT", help="why this is good enough, for the review"
    )
    command.add_argument(
        "--known",
        action="append",
        default=[],
        metavar="ENGINE:VARIANT/PROMISE=WHERE",
        help="a finding: the promise may fall, is shown, and fails no gate; may be repeated",
    )


def _add_claims(command: argparse.ArgumentParser) -> None:
    command.add_argument("runs", type=Path, metavar="RUNS", help="a matrix, or a folder of them")
    command.add_argument("-o", "--output", type=Path, help="a file instead of the terminal")
    command.add_argument(
        "--no-samples", action="store_true", help="do not run the article's code samples"
    )


def _add_report(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Writes report.html, report.md and junit.xml into DIRECTORY from its results; of several, "
        "one page of all their runs. Appends the Markdown to $GITHUB_STEP_SUMMARY where that is "
        "set."
    )
    command.add_argument(
        "directories",
        nargs="+",
        type=Path,
        metavar="DIRECTORY",
        help="of a matrix, or of one run; several of one seed make one page",
    )
    command.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="the page goes there instead"
    )
    command.add_argument("--junit", type=Path, metavar="FILE", help="JUnit XML there, too")
    command.add_argument(
        "--plots", action="store_true", help="every plot as SVG and PNG into DIRECTORY/plots"
    )


def _add_simulate(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Fits a model on a judged run and simulates it under another load; see docs/simulation.md. "
        "Without --rate, 70 % of the model's capacity is offered."
    )
    command.add_argument("run", type=Path, metavar="RUN", help="the folder of a judged run")
    command.add_argument("--agents", type=int, metavar="N", help="default: as many as the run had")
    command.add_argument("--pods", type=int, metavar="N", help="default: as many as the run had")
    command.add_argument("--rate", type=float, metavar="N", help="agents that arrive per second")
    command.add_argument("--seed", type=int, default=1, help="fixes every draw (default: 1)")
    _add_set(command, "set a field of the model, as in --set shared.servers=16")
    command.add_argument(
        "--validate",
        nargs="+",
        type=Path,
        default=[],
        metavar="RUN",
        help=f"predict these: {STORED}",
    )
    command.add_argument("--markdown", type=Path, metavar="FILE", help="the result as Markdown")
    command.add_argument("--json", type=Path, metavar="FILE", help="the result as JSON")


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "scenario", nargs="?", metavar="SCENARIO", help="a name of `onceproof list`, or a YAML file"
    )
    _add_what(command, repeats=1)
    add_platform(command)


def _add_what(command: argparse.ArgumentParser, *, repeats: int) -> None:
    command.add_argument("--matrix", metavar="NAME", help="run a whole matrix instead")
    command.add_argument(
        "--engine", default=None, metavar="NAME[:VARIANT]", help="default: dapr_workflow"
    )
    command.add_argument("--store", default=None, help="default: the engine's first")
    command.add_argument(
        "--broker", default=None, help="agents get and send messages over it (default: none)"
    )
    _add_set(command, "set a field of the scenario, as in --set load.agents=500")
    command.add_argument("--seed", type=int, default=1, help="fixes every draw (default: 1)")
    command.add_argument(
        "--repeats", type=int, default=repeats, metavar="N", help="runs of each cell"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="check and draw everything, start nothing"
    )
    _add_own(command)
    _add_machine(command)


def _add_gate(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Gates stored runs, or runs a scenario or a matrix and gates that. Promises are exact, by "
        "the table of promises, costs exact or within a stated tolerance, timings by repeats."
    )
    command.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders of stored runs")
    command.add_argument("--scenario", default="", metavar="NAME", help="run this, then gate it")
    command.add_argument("--baseline", type=Path, metavar="FILE", help="see `onceproof baseline`")
    command.add_argument(
        "--against",
        metavar="ENGINE[:VARIANT]",
        help="the other side's engine: in the baseline, or run beside it in turns",
    )
    command.add_argument(
        "--aa",
        dest="same",
        action="store_true",
        help="equal sides: measures the noise, and the gate itself",
    )
    command.add_argument(
        "--only", default="", metavar="A,B", help="of correctness, cost, timing (default: all)"
    )
    command.add_argument(
        "--tolerance",
        action="append",
        default=[],
        metavar="FIGURE=RATIO",
        help="how much worse a figure may be, as in agent_ms_p50=20%%; may be repeated",
    )
    command.add_argument(
        "--partial",
        action="store_true",
        help="cells of the baseline that were not run do not count",
    )
    command.add_argument("--whole", action="store_true", help="print what passed, too")
    _add_what(command, repeats=3)


def _add_shrink(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", type=Path, metavar="RUN", help="the folder of a judged run")
    command.add_argument("--promise", default="", metavar="KEY", help="default: the first refuted")
    command.add_argument("--anomaly", default="", metavar="NAME", help="default: its first anomaly")
    command.add_argument("--runs", type=int, default=30, metavar="N", help="at most (default: 30)")
    command.add_argument(
        "--minutes", type=float, default=15.0, metavar="N", help="no try begins after (default: 15)"
    )
    _add_machine(command)


def _add_own(command: argparse.ArgumentParser) -> None:
    own = command.add_argument_group(
        "a worker of your own", "any language; see docs/bring-your-own.md"
    )
    own.add_argument(
        "--worker",
        metavar="COMMAND",
        help="the command of one pod's worker; it is started once beforehand, to ask what it is",
    )
    own.add_argument(
        "--about",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="what the worker is, instead of asking it beforehand; may be repeated",
    )
    own.add_argument(
        "--sidecar", action="store_true", help="a daprd beside each worker; it is not asked then"
    )
    own.add_argument(
        "--expectations",
        type=Path,
        metavar="FILE",
        help="what the worker promises, as YAML; without it nothing is promised",
    )


def _add_sweep(command: argparse.ArgumentParser) -> None:
    command.add_argument("engine", metavar="ENGINE[:VARIANT]", help="a name of `onceproof list`")
    command.add_argument("--store", default=None, help="default: the engine's first")
    command.add_argument(
        "--victims", default="", metavar="A,B", help="of pod, worker, sidecar (default: all)"
    )
    command.add_argument(
        "--points",
        default="",
        metavar="A,B",
        help="of before_call, during, before_answer, before_use, after_use (default: all)",
    )
    command.add_argument("--repeats", type=int, default=3, metavar="N", help="strikes of each cell")
    command.add_argument("--seed", type=int, default=1, help="fixes every draw (default: 1)")
    command.add_argument(
        "--dry-run", action="store_true", help="check and draw everything, start nothing"
    )
    _add_machine(command)


def _add_capacity(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Runs a scenario at one rate after the other, without and with a quota of the LLM, then "
        "with a pod killed, and says how many agents a second an engine does on this machine, what "
        "stops them and what to buy. See docs/capacity.md."
    )
    command.add_argument(
        "engine",
        nargs="?",
        default=None,
        metavar="ENGINE[:VARIANT]",
        help="a name of `onceproof list` (default: dapr_workflow)",
    )
    command.add_argument("--store", default=None, help="default: the engine's first")
    command.add_argument(
        "--scenario", default="ladder", metavar="NAME", help="or a YAML file (default: ladder)"
    )
    _add_set(command, "set a field of the scenario")
    command.add_argument(
        "--from",
        dest="stored",
        type=Path,
        metavar="DIRECTORY",
        help="a stored ladder: run nothing, answer anew for another target or price table",
    )
    target = command.add_argument_group("what for")
    target.add_argument("--slo", metavar="TIME", help="p99 of an agent, as in 5s or 800ms")
    target.add_argument("--target", type=float, metavar="N", help="agents a second to plan for")
    target.add_argument("--rpm", type=int, metavar="N", help="your quota of requests a minute")
    target.add_argument("--tpm", type=int, metavar="N", help="your quota of tokens a minute")
    target.add_argument("--nodes-max", type=int, metavar="N", help="nodes that may be bought")
    target.add_argument(
        "--use", type=float, default=0.7, metavar="RATIO", help="use of a node (default: 0.7)"
    )
    target.add_argument(
        "--prices", type=Path, metavar="FILE", help="price table (default: scenarios/prices.yaml)"
    )
    size = command.add_argument_group("how much")
    size.add_argument("--levels", type=int, default=7, metavar="N", help="planned (default: 7)")
    size.add_argument(
        "--seconds", type=float, default=20.0, metavar="N", help="of arrivals a level (default: 20)"
    )
    size.add_argument("--repeats", type=int, default=1, metavar="N", help="runs of each level")
    size.add_argument(
        "--minutes", type=float, default=15.0, metavar="N", help="no level begins after"
    )
    size.add_argument(
        "--parked", type=int, default=200, metavar="N", help="agents that only wait; 0 for none"
    )
    size.add_argument("--seed", type=int, default=1, help="fixes every draw (default: 1)")
    size.add_argument("--dry-run", action="store_true", help="check everything, start nothing")
    _add_own(command)
    _add_machine(command)


def _add_set(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help=f"{text}; may be repeated",
    )


def _add_machine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, default=Path("runs"), metavar="FOLDER", help=OUT)
    command.add_argument("--dapr-bin", type=Path, metavar="FOLDER", help=DAPR_BIN)
    command.add_argument("--redis", metavar="HOST:PORT", help="a Redis that you run, on loopback")
    command.add_argument(
        "--postgres",
        metavar="URL",
        help="an empty database of a PostgreSQL that you run, on loopback",
    )
    command.add_argument(
        "--broker-url",
        action="append",
        default=[],
        metavar="URL",
        help="a broker that you run, on loopback, as amqp://user:password@127.0.0.1:5672",
    )
    command.add_argument("--keep-state", action="store_true", help="keep stores and slot folders")
