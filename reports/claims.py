"""Claims that were put to the test: what somebody says, beside what the runs of a matrix say. Pure.

The claims come judged with the matrix; a matrix without them has no such section.
"""

from dataclasses import dataclass
from itertools import takewhile

from harness.results import Claim, MatrixResult
from reports import compare, wording
from reports.compare import Column

SIGNS = {
    "supported": ("✓", "good"),
    "contradicted": ("✗", "bad"),
    "unknown": ("?", "warn"),
    "not tested": ("⊘", "muted"),
}
"""Symbol and tone by verdict; the word stands beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """One claim, ready to be shown."""

    text: str
    quotes: tuple[str, ...]
    """All that this one test decides."""
    source: str
    symbol: str
    word: str
    tone: str
    reason: str
    columns: tuple[Column, ...]
    """The runs that it rests on."""


def claim_rows(matrix: MatrixResult) -> tuple[ClaimRow, ...]:
    """A row for each test, in the order of the claims; what cannot be told is unknown."""
    named = {column.run.name: column for column in compare.columns(matrix)}
    tests: dict[tuple[object, ...], list[Claim]] = {}
    for claim in matrix.claims:
        what, _, _ = claim.text.partition(" (")
        tests.setdefault((what, claim.verdict, claim.reason, claim.runs), []).append(claim)
    return tuple(_row(claims, named) for claims in tests.values())


def _row(claims: list[Claim], named: dict[str, Column]) -> ClaimRow:
    first = claims[0]
    symbol, tone = SIGNS.get(first.verdict, SIGNS["unknown"])
    quotes = dict.fromkeys(wording.one_line(claim.quote) for claim in claims if claim.quote)
    return ClaimRow(
        text=wording.sentence(first.text),
        quotes=tuple(quotes),
        source=_common([wording.one_line(claim.source) for claim in claims]),
        symbol=symbol,
        word=wording.one_line(first.verdict),
        tone=tone,
        reason=wording.sentence(first.reason),
        columns=tuple(named[name] for name in first.runs if name in named),
    )


def _common(sources: list[str]) -> str:
    """What they share, up to the places in it where each stands."""
    parts = zip(*(source.split(", ") for source in sources), strict=False)
    return ", ".join(each[0] for each in takewhile(lambda each: len({*each}) == 1, parts))
