"""Evidence from records: one pass over the ledger and the driver's events, into columns.

`archive` reads the files and calls this; the judge sees only what comes out. Nothing here raises
for what it finds in the records: damage becomes a problem in plain words, and a run with problems
is never valid. Pure: no file is touched.
"""

from collections.abc import Iterable, Mapping, Sequence

from harness.errors import UsageError
from harness.evidence.brokers import brokers_of
from harness.evidence.gather import Gathered
from harness.evidence.starts import DriverEvent, contradictions, starts_of
from harness.evidence.tables import from_tables, to_tables
from harness.evidence.windows import windows_of
from harness.evidence.work import working_until_ns
from harness.history import NONE, Declared, Evidence, Kind
from harness.oracle import fold_all
from harness.scenario import Program
from mock_llm.ledger import Record

__all__ = ["DriverEvent", "evidence_of", "from_tables", "to_tables"]


def evidence_of(
    *,
    seed: int,
    programs: Sequence[Program],
    records: Iterable[Record],
    driver_events: Iterable[DriverEvent],
    faults_planned: int,
    liveness_ns: int,
    exposures_min: int,
    problems: tuple[str, ...] = (),
    broker: str = "",
    declared: Mapping[str, Declared] | None = None,
) -> Evidence:
    """Join the plan, the ledger and the driver's events; agents of the warm-up are left out.

    ``records`` come in ledger order, opening records included or not. A program that the oracle
    cannot fold is a problem too: nothing can then be judged against it. ``broker`` is the one that
    the plan names, "none" or empty for none; ``declared`` is what brokers declare.
    """
    found = list(problems)
    try:
        expected, paths = fold_all(programs, seed)
    except (UsageError, RecursionError, OverflowError, ValueError) as error:
        found.append(f"the plan cannot be judged: {str(error)[:300]}")
        programs = ()
        expected, paths = fold_all(programs, seed)
    gathered = Gathered.of([program.agent for program in programs], paths, seed, broker=broker)
    for record in records:
        gathered.add(record)
    starts = starts_of(gathered, driver_events)
    outcomes = gathered.outcomes()
    requests, context = gathered.requests()
    messages = gathered.messages()
    faults, unclear = windows_of(gathered.notes)
    names = gathered.names()
    brokers, misnoted = brokers_of(names.brokers, declared or {}, gathered.notes)
    found += [*gathered.problems(), *unclear, *misnoted]
    found += contradictions(names.agents, starts, outcomes)
    event_ns = int(requests.begin_ns[requests.kind == Kind.EVENT].max(initial=NONE))
    return Evidence(
        seed=seed,
        names=names,
        requests=requests,
        context=context,
        outcomes=outcomes,
        starts=starts,
        expected=expected,
        faults=faults,
        faults_planned=faults_planned,
        phases=gathered.phases(),
        last_heal_seq=max((fault.healed_seq for fault in faults), default=NONE),
        problems=tuple(found),
        liveness_ns=liveness_ns,
        exposures_min=exposures_min,
        last_event_ns=event_ns,
        working_until_ns=working_until_ns(requests, starts, faults, event_ns),
        messages=messages,
        brokers=brokers,
    )
