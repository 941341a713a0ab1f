"""`python -m harness.provide`: prepare or examine this machine without a run.

The Makefile calls it. Progress goes to standard error, the answer to standard output; it exits 254
when the machine or the caller must mend something first.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.errors import MachineError, OnceproofError
from harness.provide.brokers import FINDERS, find_brokers
from harness.provide.doctor import MACHINE_EXIT, answer, run_doctor, run_sweep
from harness.provide.postgres import find_postgres
from harness.provide.redis import find_redis
from harness.provide.runtime import find_runtime


def main(arguments: list[str]) -> int:
    """Run one sub-command; its exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return _run(chosen)
    except OnceproofError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("stopped; what was half done is removed")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness.provide", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runtime = commands.add_parser("runtime", help="find or build the Dapr runtime")
    runtime.add_argument("--dapr-bin", type=Path, help="folder of Dapr 1.18 binaries")
    redis = commands.add_parser("redis", help="find or install a Redis server")
    redis.add_argument("--address", help="host:port of a running one on loopback")
    postgres = commands.add_parser("postgres", help="find or fetch a PostgreSQL server")
    postgres.add_argument("--url", help="of a running one on loopback")
    for name in ("nats", "rabbitmq", "kafka"):
        broker = commands.add_parser(name, help=f"find or fetch a {name} server")
        broker.add_argument("--url", help="of a running one on loopback")
    commands.add_parser("services", help="find or fetch every store's and broker's server")
    doctor = commands.add_parser("doctor", help="say what this machine has and lacks")
    doctor.add_argument("--runs", type=Path, default=Path("runs"), help="where runs are written")
    strays = commands.add_parser("sweep", help="list processes that dead runs have left")
    strays.add_argument("--end", action="store_true", help="end them too")
    return parser


def _run(chosen: argparse.Namespace) -> int:
    if chosen.command == "runtime":
        runtime = find_runtime(chosen.dapr_bin, _say)
        answer(f"Dapr {runtime.version}, {runtime.origin}: {runtime.daprd[0]}")
    elif chosen.command == "redis":
        redis = find_redis(chosen.address, _say)
        where = redis.address or " ".join(redis.argv or ())
        answer(f"Redis {redis.version}, {redis.origin}: {where}")
    elif chosen.command == "postgres":
        database = find_postgres(chosen.url, _say)
        answer(
            f"PostgreSQL {database.version}, {database.origin}: {database.folder or database.url}"
        )
    elif chosen.command in FINDERS:
        broker = FINDERS[chosen.command](chosen.url, _say)
        answer(f"{chosen.command} {broker.version}, {broker.origin}: {broker.where}")
    elif chosen.command == "services":
        return _services()
    elif chosen.command == "sweep":
        return run_sweep(end=chosen.end)
    else:
        return run_doctor(runs=chosen.runs)
    return 0


def _services() -> int:
    """Prepare every server, all at once; 254 when one is not to be had, after all were tried."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        search = pool.submit(find_postgres, None, _say)
        servers, missing = find_brokers(list(FINDERS), _say)
        for name, server in servers.items():
            answer(f"{name} {server.version}, {server.origin}: {server.where}")
        try:
            database = search.result()
            answer(f"postgres {database.version}, {database.origin}: {database.folder}")
        except MachineError as error:
            missing["postgres"] = str(error)
    for name, reason in missing.items():
        answer(f"{name}: absent; runs that need it are skipped, as: {reason}")
    return MACHINE_EXIT if missing else 0


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
