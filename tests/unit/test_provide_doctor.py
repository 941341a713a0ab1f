"""The doctor's judgements and the choice of strays, over facts given as data."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import MachineError
from harness.provide.cache import GIB, cache_folder, locked, need_free, remove_tree
from harness.provide.findings import BROKERS, Finding, Machine, examine
from harness.provide.probe import ports_taken, probe
from harness.provide.strays import Seen, strays_among

GOOD = Machine(
    python=(3, 12, 1),
    descriptors=(65536, 65536),
    runs_free=50 * GIB,
    cache_free=50 * GIB,
    cores=2,
    memory=24 * GIB,
    clock_source="tsc",
    setpriv="/usr/bin/setpriv",
    go="1.26.8",
    has_go=True,
    runtime="1.18.2, own build",
    redis="7.0.15, on PATH",
    postgres="15.18, on this machine",
    brokers=dict.fromkeys(BROKERS, "1.0, on this machine"),
    no_cluster="",
    ports_taken=3,
    ephemeral_low=32768,
    strays=(),
    optional={"java": "/usr/bin/java"},
)


def troubles(machine: Machine) -> list[Finding]:
    return [finding for finding in examine(machine) if finding.state != "ok"]


def test_a_good_machine_has_no_troubles() -> None:
    """All is ok, and what is ok has no remedy."""
    assert troubles(GOOD) == []
    assert all(not finding.remedy for finding in examine(GOOD))


@pytest.mark.parametrize(
    ("machine", "name", "state"),
    [
        (replace(GOOD, python=(3, 14, 0)), "python", "missing"),
        (replace(GOOD, python=(3, 10, 9)), "python", "missing"),
        (replace(GOOD, descriptors=(1024, 1024)), "file descriptors", "missing"),
        (replace(GOOD, runs_free=GIB), "disk for runs", "missing"),
        (replace(GOOD, cache_free=GIB // 2), "disk for the cache", "missing"),
        (replace(GOOD, cores=1), "size", "warn"),
        (replace(GOOD, clock_source="hpet"), "clock source", "warn"),
        (replace(GOOD, setpriv=""), "setpriv", "missing"),
        (replace(GOOD, runtime=""), "dapr runtime", "warn"),
        (replace(GOOD, redis=""), "redis", "warn"),
        (replace(GOOD, postgres=""), "postgres", "warn"),
        *(
            (
                replace(GOOD, brokers={other: "1.0" for other in BROKERS if other != name}),
                f"broker {name}",
                "warn",
            )
            for name in BROKERS
        ),
        (replace(GOOD, no_cluster="needs root"), "kubernetes", "warn"),
        (replace(GOOD, ports_taken=11_900), "ports", "missing"),
        (replace(GOOD, ephemeral_low=15_000), "ports", "warn"),
        (replace(GOOD, strays=("12 daprd (r1)",)), "strays of dead runs", "warn"),
        (replace(GOOD, optional={"java": ""}), "java (optional)", "warn"),
    ],
)
def test_each_trouble_is_found_alone(machine: Machine, name: str, state: str) -> None:
    """One thing wrong is one finding, with the next move."""
    (finding,) = troubles(machine)

    assert (finding.name, finding.state) == (name, state)
    assert finding.remedy


def test_probe_of_this_machine_can_be_judged(tmp_path: Path) -> None:
    """Looking at the real machine gives a record; an empty PATH hides what it has."""
    environ = {"PATH": str(tmp_path), "ONCEPROOF_CACHE": str(tmp_path / "cache")}

    machine = probe(tmp_path, environ)

    assert machine.cores >= 1
    assert (machine.runtime, machine.redis, machine.has_go) == ("", "", False)


def test_listening_ports_of_ours_are_counted() -> None:
    """Only listeners from 20000 to 31999; connections and other ports are not ours."""
    table = (
        "  sl  local_address rem_address   st\n"
        "   0: 0100007F:4E20 00000000:0000 0A 00000000:00000000\n"
        "   1: 0100007F:4E21 0100007F:9999 01 00000000:00000000\n"
        "   2: 0100007F:0016 00000000:0000 0A 00000000:00000000\n"
    )

    assert ports_taken(table) == {20000}


def seen(pid: int, parent: int, *, run: str = "", keeper: str = "", command: str = "daprd") -> Seen:
    return Seen(pid=pid, parent=parent, started=7, command=command, run=run, keeper=keeper)


INIT = seen(1, 0, command="/sbin/init")


def strays(*processes: Seen, caller: int = 99) -> list[int]:
    return [stray.pid for stray in strays_among([INIT, *processes], caller)]


def test_orphans_of_init_are_strays() -> None:
    """A marked process whose line of parents leads to init unmarked is watched by nobody."""
    assert strays(seen(10, 1, run="r"), seen(11, 10, run="r"), seen(12, 1)) == [10, 11]


def test_a_live_parent_is_trusted() -> None:
    """Without a keeper's name, any live parent but a reaper may be the harness."""
    assert strays(seen(9, 1, command="python x.py"), seen(10, 9, run="r")) == []


def test_a_reaper_is_no_harness() -> None:
    """Inside a container or a login, orphans go to a reaper that is not process 1."""
    assert strays(seen(9, 1, command="/usr/bin/tini -- sh"), seen(10, 9, run="r")) == [10]


def test_the_keeper_decides_when_it_is_named() -> None:
    """A keeper that lives spares its run; its pid in other hands does not."""
    keeper = seen(9, 1, command="onceproof run")

    assert strays(keeper, seen(10, 1, run="r", keeper="9.7")) == []
    assert strays(keeper, seen(10, 9, run="r", keeper="9.6")) == [10]


def test_the_callers_own_tree_is_spared() -> None:
    """Neither the caller, nor what it stems from, nor what it started."""
    tree = (seen(10, 1, run="r"), seen(99, 10, run="r"), seen(100, 99, run="r"))

    assert strays(*tree) == []


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"ONCEPROOF_CACHE": "{}/own", "XDG_CACHE_HOME": "{}/xdg"}, "own"),
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg/onceproof"),
    ],
)
def test_cache_folder_is_chosen_in_order(
    tmp_path: Path, environ: dict[str, str], expected: str
) -> None:
    """Our own variable, then the desktop's."""
    filled = {name: text.format(tmp_path) for name, text in environ.items()}

    assert cache_folder(filled) == tmp_path / expected


def test_cache_that_cannot_be_made(tmp_path: Path) -> None:
    """The message names the folder and the way out."""
    (tmp_path / "file").write_text("")

    with pytest.raises(MachineError, match="set ONCEPROOF_CACHE"):
        cache_folder({"ONCEPROOF_CACHE": str(tmp_path / "file" / "cache")})


def test_too_little_disk_has_both_numbers(tmp_path: Path) -> None:
    """Need and have are in the message, and nothing was written."""
    with pytest.raises(MachineError, match=r"needs 6\.0 GiB free .* found 1\.5 GiB"):
        need_free(tmp_path, 6 * GIB, "the build", free=lambda folder: 3 * GIB // 2)


def test_lock_has_a_deadline(tmp_path: Path) -> None:
    """A lock that another holds is waited for, told, and given up with the holder's pid."""
    lines: list[str] = []
    path = tmp_path / "lock"

    with (
        locked(path, lines.append),
        pytest.raises(MachineError, match=f"process {os.getpid()} has held"),
        locked(path, lines.append, deadline_s=-1.0),
    ):
        raise AssertionError("two hold it")

    with locked(path, lines.append):
        assert lines == []


def test_read_only_modules_can_be_removed(tmp_path: Path) -> None:
    """Go's module cache is read-only folders; removal copes."""
    folder = tmp_path / "modules" / "inner"
    folder.mkdir(parents=True)
    (folder / "file").write_text("")
    folder.chmod(0o555)

    remove_tree(tmp_path / "modules")

    assert not (tmp_path / "modules").exists()
