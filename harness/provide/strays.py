"""Processes of runs whose harness is gone: found by ONCEPROOF_RUN in their environment, and ended.

Called by the doctor. The decision is pure (`strays_among`); looking and ending are apart from it.
It never touches the caller, its ancestors or its descendants, nor a process whose harness may live.
"""

import os
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

MARK = "ONCEPROOF_RUN"
KEEPER_MARK = "ONCEPROOF_KEEPER"
# Who is handed the orphans of a container or of a login, beside process 1.
REAPERS = ("systemd", "tini", "dumb-init", "docker-init", "catatonit", "containerd-shim")
GRACE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One process of this machine, as /proc shows it."""

    pid: int
    """Its id."""
    parent: int
    """Its parent's id."""
    started: int
    """Clock ticks from boot to its start: with the pid, a name that is never used twice."""
    command: str
    """Its command line, blanks between the words; empty when it is not ours to read."""
    run: str
    """The run in its environment; empty when it is of none."""
    keeper: str
    """`<pid>.<started>` of its run's keeper when its environment tells, else empty."""


def strays_among(processes: Iterable[Seen], caller: int) -> list[Seen]:
    """Those of runs that nobody watches any more, in order of pid.

    A run is watched while its keeper lives. Where the environment does not tell the keeper, only an
    orphan counts as a stray: the first ancestor without the mark is init, or a reaper in its place.
    In doubt a process is spared.
    """
    by_pid = {process.pid: process for process in processes}
    spared = _ancestors(by_pid, caller) | {caller}
    return [
        process
        for pid, process in sorted(by_pid.items())
        if process.run
        and pid not in spared
        and caller not in _ancestors(by_pid, pid)
        and not _is_watched(by_pid, process)
    ]


def _ancestors(by_pid: dict[int, Seen], pid: int) -> set[int]:
    found: set[int] = set()
    while (process := by_pid.get(pid)) is not None and process.parent not in found:
        pid = process.parent
        found.add(pid)
    return found


def _is_watched(by_pid: dict[int, Seen], process: Seen) -> bool:
    if process.keeper:
        return any(f"{other.pid}.{other.started}" == process.keeper for other in by_pid.values())
    parent: Seen | None = process
    for _ in range(len(by_pid)):
        parent = by_pid.get(parent.parent) if parent is not None else None
        if parent is None or not parent.run:
            break
    return parent is not None and not _is_reaper(parent)


def _is_reaper(process: Seen) -> bool:
    name = process.command.split(" ")[0].rsplit("/", 1)[-1]
    return process.pid == 1 or name.startswith(REAPERS)


def look(proc: Path = Path("/proc")) -> list[Seen]:
    """Every process of this machine; those that end meanwhile are left out."""
    seen = []
    for folder in proc.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                seen.append(_read(folder))
    return seen


def _read(folder: Path) -> Seen:
    stat = (folder / "stat").read_text(errors="replace")
    fields = stat[stat.rindex(")") + 2 :].split()
    command, environ = "", {}
    with suppress(PermissionError):
        command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
        pairs = (folder / "environ").read_text(errors="replace").split("\0")
        environ = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return Seen(
        pid=int(folder.name),
        parent=int(fields[1]),
        started=int(fields[19]),
        command=command,
        run=environ.get(MARK, ""),
        keeper=environ.get(KEEPER_MARK, ""),
    )


def sweep(*, end: bool) -> list[Seen]:
    """The strays of this machine; with `end`, each gets SIGTERM and, 2 s later, SIGKILL."""
    strays = strays_among(look(), os.getpid())
    if end and strays:
        end_each(strays)
    return strays


def end_each(strays: Sequence[Seen]) -> None:
    """End these very processes: a pid that has changed hands since is left alone."""
    handles = [handle for stray in strays if (handle := _hold(stray)) is not None]
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for handle in handles:
                with suppress(ProcessLookupError, PermissionError):
                    signal.pidfd_send_signal(handle, number)
            if number is signal.SIGTERM:
                Event().wait(GRACE_S)
    finally:
        for handle in handles:
            os.close(handle)


def _hold(stray: Seen) -> int | None:
    """A handle on the process, when the pid still is the one that was seen."""
    with suppress(OSError):
        handle = os.pidfd_open(stray.pid)
        with suppress(OSError):
            if _read(Path("/proc") / str(stray.pid)).started == stray.started:
                return handle
        os.close(handle)
    return None
