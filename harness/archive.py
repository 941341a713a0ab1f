"""A run's directory to evidence and back: reads what lies there, seals it, says what is missing.

Nothing here raises for damage: whatever is cut, changed or absent becomes a problem in plain words,
and a run with problems is unknown, never valid.
"""

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from harness.commits import SCHEMA as HISTORY_SCHEMA
from harness.commits import EngineHistory
from harness.drafts import plain_file_problem, write_whole
from harness.errors import MachineError, UsageError
from harness.evidence import DriverEvent, evidence_of, to_tables
from harness.evidence.misheard import misheard
from harness.expectations import declared_brokers
from harness.facts import RunFacts
from harness.history import Evidence
from harness.plan import Plan, PlannedAgent, parse_programs
from harness.scenario import SCHEMA, UNREADABLE, problems_of
from harness.spans import SpanLog, read_spans
from mock_llm.ledger import Record, iter_records

FILE_BYTES_MAX = 2 << 30
"""A larger file of JSON is none of ours: a program of each of 200,000 agents takes 0.6 GB."""
LIVENESS_NS_MAX = 10**18
SEALED = ("plan.json", "programs.jsonl", "environment.json", "run.json", "live/driver.jsonl")
SPANS = "live/spans.jsonl"
SEALED_IF_THERE = ("engine.json", "history.json", SPANS)
"""Of a worker of the user's own; of runs whose engine was asked for its history; with tracing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A run as it lies on disk."""

    plan: Plan
    evidence: Evidence
    facts: RunFacts | None
    """None when the harness did not come to write it."""
    environment: dict[str, str]
    misheard: tuple[str, ...] = ()
    """What workers answered the driver that it could not use, in words."""
    history: EngineHistory = field(default_factory=EngineHistory)
    """The engine's own; what is wrong with it is its reason, and no problem of the evidence."""
    spans: SpanLog | None = None
    """None in a run without tracing."""


def read_run(root: Path) -> Archived:
    """Read a run's directory.

    Raises:
        UsageError: there is no readable plan.json, so that nothing can be judged at all.
    """
    plan = read_plan(root)
    problems = [*manifest_problems(root), *_foreign_problems(root)]
    agents = _read_agents(root / "programs.jsonl", plan, problems)
    facts = _read_record(root / "run.json", RunFacts, problems)
    events = _read_events(root / "live" / "driver.jsonl", problems)
    records, damage = _read_ledger(root / "live")
    problems += damage
    if not records:
        problems.append("the ledger is missing or empty")
    evidence = evidence_of(
        seed=plan.seed,
        programs=[agent.program for agent in agents],
        records=records,
        driver_events=events,
        faults_planned=len(plan.faults),
        liveness_ns=min(int(plan.scenario.liveness_s * 1e9), LIVENESS_NS_MAX),
        exposures_min=plan.scenario.exposures_min,
        problems=tuple(problems),
        broker=plan.cell.broker,
        declared=declared_brokers(),
    )
    return Archived(
        plan=plan,
        evidence=evidence,
        facts=facts,
        environment=_read_strings(root / "environment.json"),
        misheard=misheard(events),
        history=read_history(root / "history.json"),
        spans=_read_spans(root / SPANS) if plan.scenario.tracing else None,
    )


def seal(root: Path, evidence: Evidence) -> None:
    """Write evidence/*.parquet, and manifest.json with the digest of every file that judges.

    Raises:
        MachineError: the folder is a link, or takes no file.
    """
    folder = root / "evidence"
    if folder.is_symlink():
        raise MachineError(f"{folder} is a link; nothing is written through it: remove it")
    folder.mkdir(exist_ok=True)
    for name, columns in to_tables(evidence).items():
        table = io.BytesIO()
        pq.write_table(pa.table(columns), table, compression="zstd")
        write_whole(folder / f"{name}.parquet", table.getvalue())
    ledgers = sorted(path.relative_to(root) for path in (root / "live").glob("ledger-*"))
    parquets = sorted(path.relative_to(root) for path in folder.glob("*.parquet"))
    paths = (
        [Path(name) for name in (*SEALED, *SEALED_IF_THERE) if (root / name).exists()]
        + ledgers
        + parquets
    )
    manifest = {
        "schema": SCHEMA,
        "sha256": {
            str(path): _digest(root / path) for path in paths if not plain_file_problem(root / path)
        },
    }
    write_whole(root / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))


def manifest_problems(root: Path) -> list[str]:
    """Files that are not as they were when the run was sealed; none is known without a manifest."""
    path = root / "manifest.json"
    if not path.exists() and not path.is_symlink():
        return []
    try:
        manifest = msgspec.json.decode(_bytes_of(path), type=_Manifest)
    except (OSError, *UNREADABLE) as error:
        return [f"manifest.json cannot be read: {_short(error)}"]
    if manifest.schema not in (SCHEMA, SCHEMA - 1):
        return [f"manifest.json: schema is {manifest.schema}, this version reads {SCHEMA}"]
    return [
        f"{name[:200]} {text}"
        for name, digest in manifest.sha256.items()
        if (text := _seal_problem(root, name, digest))
    ]


def read_plan(root: Path) -> Plan:
    """The plan of a run's directory.

    Raises:
        UsageError: there is none, or it is none that this version could have made.
    """
    path = root / "plan.json"
    try:
        plan = msgspec.json.decode(_bytes_of(path), type=Plan)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}; expected the directory of a run"
        ) from error
    except UNREADABLE as error:
        raise UsageError(f"{path}: {_short(error)}; expected a plan of this version") from error
    wrong = problems_of(plan.scenario)
    if plan.schema not in (SCHEMA, SCHEMA - 1):
        wrong = [f"schema is {plan.schema}, this version reads {SCHEMA}"]
    if wrong:
        raise UsageError(f"{path}: {'; '.join(wrong)[:500]}; expected a plan of this version")
    return plan


class _Manifest(msgspec.Struct):
    schema: int
    sha256: dict[str, str]


def _seal_problem(root: Path, name: str, digest: str) -> str:
    """What is wrong with a sealed file; empty for nothing. Names lead nowhere else."""
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or "\0" in name:
        return "is in the manifest, and lies outside of the run: it is not looked at"
    if any((root / Path(*parts[:count])).is_symlink() for count in range(1, len(parts))):
        return "lies behind a link: it is not looked at"
    path = root / name
    if not path.exists() and not path.is_symlink():
        return "is missing, and was there when the run was sealed"
    if text := plain_file_problem(path):
        return text
    return "" if _digest(path) == digest else "is not as it was when the run was sealed"


def _foreign_problems(root: Path) -> list[str]:
    """Links among what is read and written: their content is not the run's own."""
    return [
        f"{name} is a link; a run holds its files itself"
        for name in ("live", "evidence")
        if (root / name).is_symlink()
    ]


def _bytes_of(path: Path) -> bytes:
    """A plain file's content.

    Raises:
        OSError: it cannot be read, is none of the run's own, or is too large to be what it says.
    """
    if path.exists() or path.is_symlink():
        text = plain_file_problem(path)
        if not text and path.stat().st_size > FILE_BYTES_MAX:
            text = f"has {path.stat().st_size} bytes, {FILE_BYTES_MAX} are the most"
        if text:
            raise OSError(f"{path.name} {text}")
    return path.read_bytes()


def _read_ledger(live: Path) -> tuple[list[Record], list[str]]:
    if live.is_symlink():
        return [], []
    reader = iter_records(live)
    records = list(reader)
    return records, reader.problems


def _short(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:300]


def _read_agents(path: Path, plan: Plan, problems: list[str]) -> list[PlannedAgent]:
    try:
        data = _bytes_of(path)
    except OSError as error:
        problems.append(f"programs.jsonl: {error.strerror or error}")
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
        data = b"" if path.parent.is_symlink() else _bytes_of(path)
    except OSError as error:
        problems.append(f"live/driver.jsonl: {error.strerror or error}")
        return []
    lines = data.splitlines()
    events = []
    for number, line in enumerate(lines, start=1):
        try:
            events.append(msgspec.json.decode(line, type=DriverEvent))
        except UNREADABLE as error:
            if number == len(lines) and not data.endswith(b"\n"):
                problems.append("live/driver.jsonl ends in the middle of a line")
            else:
                problems.append(f"live/driver.jsonl, line {number}: {_short(error)}")
    return events


def _read_spans(path: Path) -> SpanLog:
    """What the sink wrote; a file that cannot be read holds no spans, for a reason."""
    try:
        return read_spans(b"" if path.parent.is_symlink() else _bytes_of(path))
    except OSError as error:
        return SpanLog(spans=(), problems=(f"{SPANS}: {error.strerror or error}",))


def _read_record(path: Path, kind: type[RunFacts], problems: list[str]) -> RunFacts | None:
    try:
        found = msgspec.json.decode(_bytes_of(path), type=kind)
    except FileNotFoundError:
        problems.append(f"{path.name} is missing: the harness ended before the run did")
    except OSError as error:
        problems.append(f"{path.name}: {error.strerror or error}")
    except UNREADABLE as error:
        problems.append(f"{path.name}: {_short(error)}")
    else:
        if found.schema in (SCHEMA, SCHEMA - 1):
            return found
        problems.append(f"{path.name}: schema is {found.schema}, this version reads {SCHEMA}")
    return None


def read_history(path: Path) -> EngineHistory:
    """What the engine said; no verdict rests on it, so damage costs the figure alone."""
    try:
        found = msgspec.json.decode(_bytes_of(path), type=EngineHistory)
    except FileNotFoundError:
        return EngineHistory(reason="no history.json: the run ended early, or is of before it was")
    except OSError as error:
        return EngineHistory(reason=f"history.json: {error.strerror or error}")
    except UNREADABLE as error:
        return EngineHistory(reason=f"history.json: {_short(error)}")
    if found.schema not in (HISTORY_SCHEMA, HISTORY_SCHEMA - 1):
        return EngineHistory(
            reason=f"history.json: schema is {found.schema}, this version reads {HISTORY_SCHEMA}"
        )
    return found


def _read_strings(path: Path) -> dict[str, str]:
    try:
        found = msgspec.json.decode(_bytes_of(path))
        return {str(name): str(value) for name, value in found.items() if name != "schema"}
    except (OSError, *UNREADABLE, AttributeError):
        return {}


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
