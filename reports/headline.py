"""The first lines of a report: the verdict in one sentence, the runs counted, the controls.

Pure; used by every form of a report. The worst news comes first, and what was not judged is never
part of what holds.
"""

from harness.results import MatrixResult, RunResult
from harness.verdict import PROMISE_KEYS
from reports import wording
from reports.compare import (
    Column,
    State,
    columns,
    is_control,
    key_list,
    promise_row,
    promise_state,
    refuted_keys,
    run_state,
)
from reports.wording import counted


def page_state(matrix: MatrixResult) -> State:
    """The worst that the page has to say; nothing judged is unknown."""
    states = {run_state(run) for run in matrix.runs}
    for state in (State.INVALID, State.FAILED, State.UNKNOWN):
        if state in states:
            return state
    judged = states - {State.SKIPPED}
    if not judged:
        return State.UNKNOWN
    return State.VALID_BEYOND if State.VALID_BEYOND in judged else State.VALID


def headline(matrix: MatrixResult) -> str:
    """The page in one sentence, worst news first."""
    heads = columns(matrix)
    if not heads:
        return "Nothing ran, so nothing is known."
    judged = [column for column in heads if column.run.state == "judged"]
    broken = [column for column in heads if column.state is State.INVALID]
    if broken:
        return _broken_sentence(broken, len(heads))
    failed = [column for column in heads if column.state is State.FAILED]
    if failed and len(heads) == 1:
        return f"{failed[0].label} failed, and proves nothing."
    if failed:
        which = _some([column.label for column in failed])
        return f"{_runs(len(failed), len(heads))} failed, which proves nothing: {which}."
    if not judged:
        return f"Nothing was judged: {_runs(len(heads), len(heads))} skipped."
    unknown = [column for column in heads if column.state is State.UNKNOWN]
    if unknown:
        which = _some([column.label for column in unknown])
        if len(heads) == 1:
            return f"{which}: unknown, which is not a pass."
        verb = "is" if len(unknown) == 1 else "are"
        return f"{_runs(len(unknown), len(heads))} {verb} unknown, which is not a pass: {which}."
    return _standing_sentence(judged)


def counts_line(matrix: MatrixResult) -> str:
    """How many runs ended how."""
    states = [run_state(run) for run in matrix.runs]
    order = (
        State.VALID,
        State.VALID_BEYOND,
        State.BROKE_AS_MEANT,
        State.INVALID,
        State.UNKNOWN,
        State.FAILED,
        State.SKIPPED,
    )
    parts = [f"{states.count(state)} {state.word}" for state in order if state in states]
    return f"{counted(len(states), 'run')}: {' · '.join(parts) or 'none'}"


def _broken_sentence(broken: list[Column], total: int) -> str:
    parts = []
    for column in broken:
        keys = key_list(refuted_keys(column.run, State.REFUTED))
        parts.append(f"{column.label}: {keys}" if keys else column.label)
    if total == 1:
        keys = key_list(refuted_keys(broken[0].run, State.REFUTED))
        if not keys:
            return f"{broken[0].label} is invalid: {wording.sentence(broken[0].run.headline)}"
        return f"{broken[0].label} breaks what its engine promises: {keys}."
    verb = "breaks" if len(broken) == 1 else "break"
    return f"{_runs(len(broken), total)} {verb} what the engine promises: {_some(parts, '; ')}."


def controls_line(matrix: MatrixResult) -> str:
    """How the controls fared; empty without a judged control. `concerns` says when it is wrong."""
    found: dict[str, list[Column]] = {}
    for column in columns(matrix):
        if is_control(column.run) and column.run.state == "judged":
            found.setdefault(column.engine, []).append(column)
    parts = [_control(engine, own) for engine, own in found.items()]
    if not parts:
        return ""
    stands = all(
        column.state in (State.VALID, State.VALID_BEYOND)
        for column in found.get("control:guarded", [])
    )
    breaks = any(column.state is State.BROKE_AS_MEANT for column in found.get("control:naive", []))
    proof = breaks and stands and "control:guarded" in found
    end = " So red and green can both be reached here." if proof else ""
    return f"Controls: {'; '.join(parts)}.{end}"


def _control(engine: str, runs: list[Column]) -> str:
    """One control over its runs."""
    refuted = [
        key_list([row.key for row in column.run.promises if row.verdict == "invalid"])
        for column in runs
    ]
    if len(runs) == 1:
        return f"{engine} ({runs[0].number}) was refuted in {refuted[0] or 'nothing'}"
    some = ", ".join(dict.fromkeys(keys for keys in refuted if keys))
    broken = sum(bool(keys) for keys in refuted)
    return f"{engine} was refuted in {broken} of {len(runs)} runs" + (f" ({some})" if some else "")


def _standing_sentence(judged: list[Column]) -> str:
    engines = [column for column in judged if not is_control(column.run)]
    if not engines:
        return "Only controls were judged, and they did as they must."
    common = [key for key in PROMISE_KEYS if all(_holds(column.run, key) for column in engines)]
    standing = f"{key_list(common)} hold{'s' if len(common) == 1 else ''}"
    if len(engines) == 1:
        keys = refuted_keys(engines[0].run, State.REFUTED_UNPROMISED)
        found = [standing] if common else []
        found += [f"refuted, and not promised: {key_list(keys)}"] if keys else []
        return f"{engines[0].label}: {'; '.join(found) or 'no promise was refuted'}."
    text = f"No engine broke what it promises in {counted(len(engines), 'run')}"
    text += f"; {standing} in all" if common else ""
    more = [
        f"{column.label}: {key_list(refuted_keys(column.run, State.REFUTED_UNPROMISED))}"
        for column in engines
        if column.state is State.VALID_BEYOND
    ]
    if more:
        text += f". Refuted where nothing was promised: {_some(more, '; ')}"
    return text + "."


def _holds(run: RunResult, key: str) -> bool:
    row = promise_row(run, key)
    return row is not None and promise_state(row) is State.HOLDS


def _runs(some: int, total: int) -> str:
    if some == total:
        return "The only run" if total == 1 else f"All {total} runs"
    return f"{some} of {total} runs"


def _some(parts: list[str], separator: str = ", ") -> str:
    """The first three; the others as a number."""
    more = len(parts) - 3
    return separator.join(parts[:3]) + (f", and {more} more" if more > 0 else "")
