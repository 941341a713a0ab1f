"""The claims page: what the runs of a folder say about each claim of the article.

Called by the command line for docs/claims.md, and by the page of a matrix that has the engines.
Verdicts come from results alone; `harness.claims` says which result decides what.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.claims import Article, Claim, ClaimTest, SampleOutcome
from harness.results import Claim as Judged
from harness.results import MatrixResult, PromiseRow, RunResult
from reports import compare, wording
from reports.claims import SIGNS

RANKS = {"invalid": 2, "valid": 1}
"""Of several runs: what was broken once is not mended by a run that did not break it."""
RIVALS = ("dapr_agents", "langgraph", "crewai")
"""A matrix with two of them gets the table on its page."""
SUPPORTED, CONTRADICTED, UNKNOWN, UNTESTED = "supported", "contradicted", "unknown", "not tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the page: a claim against one test, or why there is none."""

    place: str
    quote: str
    test: str
    engine: str
    """With its version."""
    word: str
    """A key of SIGNS."""
    strength: str
    evidence: str
    repeat: str
    run: str = ""
    """Directory of the run that it rests on."""


def findings(
    article: Article, matrices: Sequence[MatrixResult], samples: Iterable[SampleOutcome] = ()
) -> list[Finding]:
    """Every claim in the article's order; of several runs of a test the latest decides."""
    outcomes = {one.name: one for one in samples}
    not_run = {one.name: one.not_run for one in article.samples if one.not_run}
    found = []
    for claim in article.claims:
        found += [_tested(claim, test, matrices) for test in claim.tests]
        found += [_sampled(claim, outcomes[name]) for name in claim.samples if name in outcomes]
        found += [
            _untested(claim, f"code sample `{name}`", f"not run: {not_run[name]}")
            for name in claim.samples
            if name in not_run
        ]
        if claim.not_tested:
            found.append(_untested(claim, "", f"not tested here: {claim.not_tested}"))
    return found


def judged_claims(article: Article, matrix: MatrixResult) -> tuple[Judged, ...]:
    """For the page of a matrix: what its runs say; none without two of the article's engines."""
    if len({run.engine for run in matrix.runs} & set(RIVALS)) < 2:
        return ()
    names = {run.directory: run.name for run in matrix.runs}
    return tuple(
        Judged(
            text=f"{one.engine.partition(';')[0]}: {one.test}",
            quote=one.quote,
            source=f"{article.source}, {one.place}",
            verdict=one.word,
            reason=one.strength,
            runs=(names[one.run],),
        )
        for one in findings(article, [matrix])
        if one.run in names
    )


def render_claims(
    article: Article, matrices: Sequence[MatrixResult], samples: Sequence[SampleOutcome]
) -> str:
    """The page as Markdown."""
    rows = findings(article, matrices, samples)
    counts = {word: sum(one.word == word for one in rows) for word in SIGNS}
    lines = [
        "# The article's claims, tested",
        "",
        f"Made by `onceproof claims RUNS -o docs/claims.md` from the results of real runs and "
        f"scenarios/claims.yaml; nothing here is typed by hand. The article is {article.source}; "
        "quotes are short.",
        "",
        "*Supported* and *contradicted* are said of the claim as its test reads it, within the "
        "strength given: a pass bounds a failure rate, it proves no absence. *Unknown* is no "
        "pass. Where a claim says that something is lost, a refuted promise supports it. "
        "Of several runs of the same versions, one that broke a promise counts before the rest.",
        "",
        ", ".join(f"{counts[word]} {word}" for word in SIGNS) + ".",
        "",
        "| claim | place | test | engine and version | finding | strength | evidence | repeat |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in rows:
        cells = (
            *(f"“{one.quote}”", one.place, one.test, one.engine),
            *(f"{SIGNS[one.word][0]} {one.word}", one.strength, one.evidence),
            f"`{one.repeat}`" if one.repeat else "",
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    lines += ["", *_sample_lines(article, samples), "", *_run_lines(matrices)]
    return "\n".join(lines) + "\n"


def _tested(claim: Claim, test: ClaimTest, matrices: Sequence[MatrixResult]) -> Finding:
    over = f" over {test.broker}" if test.broker else ""
    over += f" on {test.store}" if test.store else ""
    over += f" on {test.platform.capitalize()}" if test.platform != "local" else ""
    named = f"{test.scenario}{over}, {test.promise or test.figure}" + (
        f" ({test.why})" if test.why else ""
    )
    runs = [
        (run.environment.get("started", ""), run, matrix)
        for matrix in matrices
        for run in matrix.runs
        if run.scenario == test.scenario
        and f"{run.engine}:{run.variant}" == test.engine
        and test.broker in ("", run.broker)
        and test.store in ("", run.store)
        and (test.platform == "kubernetes") == run.is_on_kubernetes
    ]
    judged = [entry for entry in runs if entry[1].state == "judged"]
    if not judged:
        reasons = [run.state_reason for _, run, _ in runs if run.state_reason]
        told = f"not tested: {'; '.join(reasons)}" if reasons else "not tested: no run of it here"
        return _untested(claim, f"{test.engine}: {named}", told)
    newest = max(judged, key=lambda entry: entry[0])
    alike = [entry for entry in judged if _versions(entry[1]) == _versions(newest[1])]
    _, run, matrix = max(
        alike, key=lambda entry: (RANKS.get(_read(entry[1], test)[0], 0), entry[0])
    )
    state, strength = _read(run, test)
    if state in RANKS and len(alike) > 1:
        count = sum(_read(one, test)[0] == state for _, one, _ in alike)
        strength += f"; so in {count} of {len(alike)} runs"
    opposite = {"valid": "invalid", "invalid": "valid"}[test.confirms]
    word = {test.confirms: SUPPORTED, opposite: CONTRADICTED}.get(state, UNKNOWN)
    return Finding(
        place=claim.place,
        quote=claim.quote,
        test=named,
        engine=f"{test.engine}; {_versions(run)}",
        word=word,
        strength=strength,
        evidence=f"{run.directory}, {test.promise or test.figure}",
        repeat=_repeat(matrix),
        run=run.directory,
    )


def _read(run: RunResult, test: ClaimTest) -> tuple[str, str]:
    """The verdict of a promise or a figure, and what stands behind it."""
    if test.promise:
        row = next(one for one in run.promises if one.key == test.promise)
        return row.verdict, _strength(row)
    if test.figure != "completed":
        return _traced(run, test.figure)
    limited = run.repeats.limited_count
    told = (
        f"{run.agents_completed} of {run.agents_accepted} accepted agents completed, "
        f"{run.agents_failed} failed, {run.agents_unfinished} never ended; "
        f"{limited} of {run.repeats.requests_count} requests limited"
    )
    unmet = [one.text for one in run.assumptions if not one.is_met]
    if run.agents_accepted == 0 or (unmet and run.agents_completed == run.agents_accepted):
        return "unknown", "; ".join((told, *unmet))
    ended = next((row for row in run.promises if row.key == "L"), None)
    if run.agents_unfinished and not run.agents_failed and ended and ended.verdict == "unknown":
        return "unknown", f"{told}; {ended.reason}"
    return ("valid" if run.agents_completed == run.agents_accepted else "invalid"), told


def _traced(run: RunResult, figure: str) -> tuple[str, str]:
    """Whether all steps have a span, or all traces of interrupted agents go on."""
    found = run.tracing
    if found is None or found.problems or found.spans_count == 0:
        told = "; ".join(found.problems) if found else ""
        return "unknown", told or "no span came"
    if figure == "spanned":
        seen, all_of = found.steps_spanned_count, found.steps_count
        told = f"{seen} of {all_of} executed steps have a span"
    else:
        seen, all_of = found.survived_count, found.interrupted_count
        told = (
            f"{seen} of {all_of} traces of interrupted agents go on; {found.cut_count} agents "
            f"went on in another trace, {found.lost_count} have no span on one side"
        )
    if all_of == 0:
        return "unknown", told
    return ("valid" if seen == all_of else "invalid"), f"{told}; spans leave by: {found.exports}"


def _strength(row: PromiseRow) -> str:
    if not row.is_offered:
        return f"{row.key}: no key reaches the tool, so that it is not offered"
    state = {"valid": "holds", "invalid": "refuted", "unknown": "unknown"}[row.verdict]
    parts = [f"{row.key} {state}", compare.counts_text(row)]
    if row.verdict == "valid":
        parts.append(compare.bound_text(row))
    if row.verdict == "unknown" and row.reason:
        parts.append(row.reason)
    return "; ".join(part for part in parts if part)


def _versions(run: RunResult) -> str:
    found = {
        name.removeprefix("worker "): value
        for name, value in run.environment.items()
        if name.startswith("worker ") and name not in ("worker python", "worker sqlite")
    }
    return ", ".join(f"{name} {value}" for name, value in found.items()) or "no version is known"


def _sampled(claim: Claim, outcome: SampleOutcome) -> Finding:
    """A sample that ran shows no more than that it runs."""
    is_broken = outcome.outcome != "ran to its end"
    version = ", ".join(f"{name} {value}" for name, value in outcome.versions.items())
    absent = f"; not there: {', '.join(outcome.absent)}" if outcome.absent else ""
    return Finding(
        place=claim.place,
        quote=claim.quote,
        test=f"code sample `{outcome.name}`, as printed",
        engine=version,
        word=CONTRADICTED if outcome.absent else UNKNOWN,
        strength=(outcome.outcome if is_broken else f"{outcome.outcome}, which is all it shows")
        + absent,
        evidence="below",
        repeat="onceproof claims RUNS",
    )


def _untested(claim: Claim, test: str, reason: str) -> Finding:
    return Finding(
        place=claim.place,
        quote=claim.quote,
        test=test,
        engine="",
        word=UNTESTED,
        strength=reason,
        evidence="",
        repeat="",
    )


def _sample_lines(article: Article, outcomes: Sequence[SampleOutcome]) -> list[str]:
    """Each sample as printed, and what came of it."""
    by_name = {one.name: one for one in outcomes}
    lines = [
        "## The code samples, run as printed",
        "",
        "Indented again, since our copy of the article lost its indentation; as a notebook cell "
        "would run them, offline, two minutes each at most. *Not there*: names that the sample "
        "uses and the package has not.",
    ]
    for sample in article.samples:
        one = by_name.get(sample.name)
        told = one.outcome if one else f"not run: {sample.not_run}".removesuffix(": ")
        absent = (
            f" Not there: {', '.join(f'`{name}`' for name in one.absent)}."
            if one and one.absent
            else ""
        )
        lines += ["", f"### {sample.name} ({sample.place})", "", f"```{sample.language}"]
        lines += [sample.code.rstrip()]
        lines += ["```", "", f"`{told}`.{absent}"]
    return lines


def _run_lines(matrices: Sequence[MatrixResult]) -> list[str]:
    """Which runs the page is made of."""
    lines = ["## The runs", "", "| command | started | run | result |", "|---|---|---|---|"]
    for matrix in matrices:
        for run in matrix.runs:
            cells = (f"`{_repeat(matrix)}`", matrix.started_utc, run.directory, run.headline)
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return lines


def _repeat(matrix: MatrixResult) -> str:
    """The command of a matrix, without where its files went."""
    words = shlex.split(matrix.command)
    kept = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if "--out" not in (before, word)
    ]
    return shlex.join(kept)


def _cell(value: str) -> str:
    return wording.one_line(value).replace("|", "\\|")
