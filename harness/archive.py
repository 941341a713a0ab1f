"""A run's directory to evidence and back: reads what lies there, seals it, says what is missing.

Nothing here raises for damage: whatever is cut, changed or absent becomes a problem in plain words,
and a run with problems is unknown, never valid.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import UsageError
from harness.evidence import DriverEvent, evidence_of, to_tables
from harness.facts import RunFacts
from harness.history import Evidence
from harness.plan import Plan, PlannedAgent, parse_programs
from mock_llm.ledger import iter_records

SEALED = ("plan.json", "programs.jsonl", "environment.json", "run.json", "live/driver.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A run as it lies on disk."""

    plan: Plan
    evidence: Evidence
    facts: RunFacts | None
    """None when the harness did not come to write it."""
    environment: dict[str, str]


def read_run(root: Path) -> Archived:
    """Read a run's directory.

    Raises:
        UsageError: there is no readable plan.json, so that nothing can be judged at all.
    """
    problems = manifest_problems(root)
    plan = _read_plan(root / "plan.json")
    agents = _read_agents(root / "programs.jsonl", plan, problems)
    facts = _read_record(root / "run.json", RunFacts, problems)
    events = _read_events(root / "live" / "driver.jsonl", problems)
    reader = iter_records(root / "live")
    records = list(reader)
    problems += reader.problems
    if not records:
        problems.append("the ledger is missing or empty")
    evidence = evidence_of(
        seed=plan.seed,
        programs=[agent.program for agent in agents],
        records=records,
        driver_events=events,
        faults_planned=len(plan.faults),
        liveness_ns=int(plan.scenario.liveness_s * 1e9),
        exposures_min=plan.scenario.exposures_min,
        problems=tuple(problems),
    )
    return Archived(
        plan=plan,
        evidence=evidence,
        facts=facts,
        environment=_read_strings(root / "environment.json"),
    )


def seal(root: Path, evidence: Evidence) -> None:
    """Write evidence/*.parquet, and manifest.json with the digest of every file that judges."""
    folder = root / "evidence"
    folder.mkdir(exist_ok=True)
    for name, columns in to_tables(evidence).items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet", compression="zstd")
    ledgers = sorted(path.relative_to(root) for path in (root / "live").glob("ledger-*"))
    parquets = sorted(path.relative_to(root) for path in folder.glob("*.parquet"))
    paths = [Path(name) for name in SEALED if (root / name).exists()] + ledgers + parquets
    manifest = {
        "schema": 1,
        "sha256": {str(path): _digest(root / path) for path in paths},
    }
    (root / "manifest.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    )


def manifest_problems(root: Path) -> list[str]:
    """Files that are not as they were when the run was sealed; none is known without a manifest."""
    path = root / "manifest.json"
    if not path.exists():
        return []
    try:
        digests = msgspec.json.decode(path.read_bytes())["sha256"]
        return [
            f"{name} is not as it was when the run was sealed"
            for name, digest in digests.items()
            if not (root / name).is_file() or _digest(root / name) != digest
        ]
    except (msgspec.DecodeError, KeyError, AttributeError, TypeError) as error:
        return [f"manifest.json cannot be read: {error!r}"]


def _read_plan(path: Path) -> Plan:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; expected the directory of a run") from error
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path}: {error}; expected a plan of this version") from error


def _read_agents(path: Path, plan: Plan, problems: list[str]) -> list[PlannedAgent]:
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.append(f"programs.jsonl: {error.strerror}")
        return []
    if hashlib.sha256(data).hexdigest() != plan.programs_sha256:
        problems.append("programs.jsonl is not the one of plan.json: its digest differs")
    try:
        return parse_programs(data, source="programs.jsonl")
    except UsageError as error:
        problems.append(str(error))
        return []


def _read_events(path: Path, problems: list[str]) -> list[DriverEvent]:
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.append(f"live/driver.jsonl: {error.strerror}")
        return []
    lines = data.splitlines()
    events = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(msgspec.json.decode(line, type=DriverEvent))
        except msgspec.MsgspecError as error:
            if number == len(lines) and not data.endswith(b"\n"):
                problems.append("live/driver.jsonl ends in the middle of a line")
            else:
                problems.append(f"live/driver.jsonl, line {number}: {error}")
    return events


def _read_record(path: Path, kind: type[RunFacts], problems: list[str]) -> RunFacts | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError:
        problems.append(f"{path.name} is missing: the harness ended before the run did")
    except msgspec.MsgspecError as error:
        problems.append(f"{path.name}: {error}")
    return None


def _read_strings(path: Path) -> dict[str, str]:
    try:
        found = msgspec.json.decode(path.read_bytes())
        return {str(name): str(value) for name, value in found.items() if name != "schema"}
    except (OSError, msgspec.MsgspecError, AttributeError):
        return {}


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
