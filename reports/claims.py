"""Claims that were put to the test: what somebody says, beside what the runs of a matrix say. Pure.

The claims come judged with the matrix; a matrix without them has no such section.
"""

from dataclasses import dataclass

from harness.results import MatrixResult
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
    quote: str
    source: str
    symbol: str
    word: str
    tone: str
    reason: str
    columns: tuple[Column, ...]
    """The runs that it rests on."""


def claim_rows(matrix: MatrixResult) -> tuple[ClaimRow, ...]:
    """The claims in their order; a verdict that is not known is shown as unknown."""
    named = {column.run.name: column for column in compare.columns(matrix)}
    rows = []
    for claim in matrix.claims:
        symbol, tone = SIGNS.get(claim.verdict, SIGNS["unknown"])
        rows.append(
            ClaimRow(
                text=wording.sentence(claim.text),
                quote=wording.one_line(claim.quote),
                source=wording.one_line(claim.source),
                symbol=symbol,
                word=wording.one_line(claim.verdict),
                tone=tone,
                reason=wording.sentence(claim.reason),
                columns=tuple(named[name] for name in claim.runs if name in named),
            )
        )
    return tuple(rows)
