"""The evidence behind a refuted promise: the smallest witness text of each anomaly, and the rest.

Pure; used by every form of a report. A string of an engine or an agent is only ever text here.
"""

import os
from dataclasses import dataclass
from pathlib import Path, PurePath

from harness.results import RunResult
from harness.verdict import MESSAGES, Anomaly
from reports import wording
from reports.compare import State, promise_state

SEQS_SHOWN = 12
"""Sequence numbers of one anomaly that are printed; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One anomaly with the command that shows its agent in full."""

    name: str
    agent: str
    what: str
    """step | message: what the path is of."""
    path: str
    text: str
    seqs: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessGroup:
    """All anomalies of one name under one promise."""

    name: str
    smallest: Witness
    others: tuple[Witness, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refutation:
    """One refuted promise of a run."""

    key: str
    text: str
    state: State
    expectation: str
    quote: str
    source: str
    reason: str
    violations_count: int
    groups: tuple[WitnessGroup, ...]


def refutations(run: RunResult, directory: Path | None = None) -> tuple[Refutation, ...]:
    """The refuted promises of a run: the promised ones first."""
    rows = [row for row in run.promises if row.verdict == "invalid"]
    rows.sort(key=lambda row: promise_state(row) is not State.REFUTED)
    place = run_place(run, directory)
    found = []
    for row in rows:
        names = dict.fromkeys(anomaly.name for anomaly in row.anomalies)
        groups = tuple(
            _group(name, [each for each in row.anomalies if each.name == name], place)
            for name in names
        )
        found.append(
            Refutation(
                key=row.key,
                text=row.text,
                state=promise_state(row),
                expectation=row.expectation,
                quote=wording.one_line(row.quote),
                source=wording.one_line(row.source),
                reason=wording.sentence(row.reason),
                violations_count=max(row.violations_count, len(row.anomalies)),
                groups=groups,
            )
        )
    return tuple(found)


def run_place(run: RunResult, directory: Path | None) -> str:
    """The run's folder, as commands name it.

    Of an absolute directory the last two parts are kept: commands are meant for the folder that
    holds runs/, and a page that travels says nothing about the machine it was made on. Runs of
    several matrices on one page lie beside its folder.
    """
    own = run.directory or run.name
    if directory is None:
        return own
    if directory.name == PurePath(own).name:
        return str(_portable(directory))
    return os.path.normpath(_portable(directory) / own)


def repeat_line(run: RunResult, directory: Path | None) -> str:
    """The command that repeats a run, with its folder as `run_place` names it."""
    if run.repeat_command.startswith("onceproof repro "):
        return wording.command("onceproof", "repro", run_place(run, directory))
    return wording.one_line(run.repeat_command)


def _portable(directory: Path) -> PurePath:
    if directory.is_absolute():
        return PurePath(*directory.parts[1:][-2:])
    return PurePath(directory)


def _group(name: str, anomalies: list[Anomaly], place: str) -> WitnessGroup:
    smallest = min(anomalies, key=lambda each: (len(each.seqs), len(each.text)))
    others = [each for each in anomalies if each is not smallest]
    return WitnessGroup(
        name=wording.one_line(name),
        smallest=_witness(smallest, place),
        others=tuple(_witness(each, place) for each in others),
    )


def _witness(anomaly: Anomaly, place: str) -> Witness:
    shown = ", ".join(str(seq) for seq in anomaly.seqs[:SEQS_SHOWN])
    more = len(anomaly.seqs) - SEQS_SHOWN
    return Witness(
        name=wording.one_line(anomaly.name),
        agent=wording.one_line(anomaly.agent),
        what="message" if anomaly.promise == MESSAGES else "step",
        path=wording.one_line(anomaly.path),
        text=wording.clean(anomaly.text).strip(),
        seqs=shown + (f" and {more} more" if more > 0 else ""),
        command=wording.command("onceproof", "explain", place, anomaly.agent),
    )
