"""Look at this machine for the doctor: one read of each fact, no judgement, nothing built."""

import os
import re
import resource
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from harness.cluster.onenode.starter import why_not
from harness.provide.brokers import brokers_at_hand
from harness.provide.build import dotted, examine_go, read_sources
from harness.provide.cache import cache_folder, free_bytes
from harness.provide.chain import Provider, Refused, Thing
from harness.provide.data import runtime_sources
from harness.provide.findings import OPTIONAL, PORTS, Machine
from harness.provide.onenode.tools import lacking
from harness.provide.postgres import postgres_providers
from harness.provide.redis import redis_providers
from harness.provide.runtime import find_runtime, runtime_providers
from harness.provide.strays import look, strays_among

LISTENING = "0A"
# How many providers of each chain neither build nor install.
RUNTIME_AT_HAND, REDIS_AT_HAND, POSTGRES_AT_HAND = 3, 2, 2


def probe(
    runs: Path, environ: Mapping[str, str] = os.environ, *, dapr_bin: Path | None = None
) -> Machine:
    """What this machine has; `runs` is the folder that runs are written to.

    Raises:
        UsageError: the folder in `dapr_bin` or ONCEPROOF_DAPR_BIN holds no supported runtime.
        MachineError: the cache cannot be made.
    """
    path = environ.get("PATH", "")
    go, has_go = _go(path, environ)
    named = dapr_bin or environ.get("ONCEPROOF_DAPR_BIN")
    runtime = (
        find_runtime(Path(named), _ignore)
        if named
        else _at_hand(runtime_providers(_ignore, environ)[:RUNTIME_AT_HAND])
    )
    redis = _at_hand(redis_providers(_ignore, environ)[:REDIS_AT_HAND])
    postgres = _at_hand(postgres_providers(_ignore, environ)[:POSTGRES_AT_HAND])
    strays = strays_among(look(), os.getpid())
    return Machine(
        python=tuple(sys.version_info[:3]),
        descriptors=raise_descriptors(),
        runs_free=free_bytes(runs),
        cache_free=free_bytes(cache_folder(environ)),
        cores=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        clock_source=_text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        setpriv=shutil.which("setpriv", path=path) or "",
        go=go,
        has_go=has_go,
        runtime="" if runtime is None else f"{runtime.version}, {runtime.origin}",
        redis="" if redis is None else f"{redis.version}, {redis.origin}",
        postgres="" if postgres is None else f"{postgres.version}, {postgres.origin}",
        brokers={
            name: f"{server.version}, {server.origin}"
            for name, server in brokers_at_hand(environ).items()
        },
        no_cluster=_no_cluster(environ),
        ports_taken=len(ports_taken(_text("/proc/net/tcp") + "\n" + _text("/proc/net/tcp6"))),
        ephemeral_low=int((_text("/proc/sys/net/ipv4/ip_local_port_range") or "32768").split()[0]),
        strays=tuple(f"{s.pid} {s.command[:60]} ({s.run})" for s in strays),
        optional={name: shutil.which(name, path=path) or "" for name in OPTIONAL},
    )


def ports_taken(table: str) -> set[int]:
    """Ports of ours that are listened on, from the text of /proc/net/tcp and tcp6."""
    rows = re.findall(r"^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ ([0-9A-F]{2})", table, re.MULTILINE)
    return {port for text, state in rows if state == LISTENING and (port := int(text, 16)) in PORTS}


def _go(path: str, environ: Mapping[str, str]) -> tuple[str, bool]:
    """Version of the Go on PATH, or why it cannot serve; and whether it can."""
    go = shutil.which("go", path=path)
    if go is None:
        return "absent", False
    try:
        return dotted(examine_go(go, environ, read_sources(runtime_sources())).version), True
    except Refused as refusal:
        return str(refusal), False


def _no_cluster(environ: Mapping[str, str]) -> str:
    """Why no throw-away cluster could be started now."""
    if reason := why_not():
        return reason
    missing = lacking(cache_folder(environ))
    return f"not built or fetched yet: {', '.join(missing)}" if missing else ""


def _at_hand(providers: Sequence[Provider[Thing]]) -> Thing | None:
    for provider in providers:
        with suppress(Refused):
            return provider.get()
    return None


def _ignore(line: str) -> None:
    """The doctor's findings say it all; a chain's own lines would only repeat them."""


def _text(file: str) -> str:
    """The text of a file of the kernel; empty when this machine has none."""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def raise_descriptors() -> tuple[int, int]:
    """Raise the soft limit of open files to the hard one; both limits as they are then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)
