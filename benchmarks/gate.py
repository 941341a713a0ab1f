"""How often the gate's timings are wrong, and what they find: simulated with the code that decides.

    python -m benchmarks.gate [--noise runs/DIRECTORY/gate.json] [--draws 4000]

Each draw is a gate of some figures with log-normal noise, and a tolerance of 10 % each. Writes the
tables of docs/gate.md between their marks; a noise file of `onceproof gate --aa` adds what was
measured on this machine.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from harness.cli.providing import machine_facts
from harness.measures.ratios import ALPHA, Ratio, decided, ratio_of
from reports.gate import GateResult

PAGE = Path(__file__).parents[1] / "docs" / "gate.md"
TOLERANCE = 0.10
FIGURES = (4, 16)
RUNS = (3, 5, 8)
SPREADS = (0.01, 0.03, 0.10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Of simulated gates."""

    failed: float
    passed: float


def simulate(
    *, runs: int, figures: int, spread: float, slow: tuple[float, ...], draws: int, seed: int = 1
) -> Shares:
    """Gates of ``figures`` timings, of which the first ones are slower by ``slow`` (ratios)."""
    chance = np.random.default_rng(seed)
    shift = np.zeros(figures)
    shift[: len(slow)] = np.log(slow)
    sides = chance.normal(0.0, spread, (2, draws, figures, runs))
    ratio: Ratio = ratio_of(np.exp(sides[0]), np.exp(sides[1] + shift[:, None]))
    p_worse, is_within = decided(ratio, np.full(figures, np.log1p(TOLERANCE)))
    has_failed = (p_worse <= ALPHA).any(axis=-1)
    return Shares(
        failed=float(has_failed.mean()),
        passed=float((is_within.all(axis=-1) & ~has_failed).mean()),
    )


def rows(draws: int, spreads: tuple[float, ...] = SPREADS) -> list[str]:
    """The table, a line for each number of figures, noise and repeats."""
    lines = []
    for figures in FIGURES:
        for spread in spreads:
            for runs in RUNS:
                chosen = {"runs": runs, "figures": figures, "spread": spread, "draws": draws}
                same = simulate(slow=(), **chosen)  # type: ignore[arg-type]
                limit = simulate(slow=(1 + TOLERANCE,) * figures, **chosen)  # type: ignore[arg-type]
                found = [
                    simulate(slow=(factor,), **chosen)  # type: ignore[arg-type]
                    for factor in (1.2, 1.5, 2.0)
                ]
                cells = [
                    f"{figures}",
                    f"{spread:.0%}",
                    f"{runs}",
                    f"{same.passed:.1%}",
                    f"{same.failed:.1%}",
                    f"{limit.failed:.1%}",
                    *(f"{one.failed:.1%}" for one in found),
                ]
                lines.append("| " + " | ".join(cells) + " |")
    return lines


def noise_rows(path: Path) -> list[str]:
    """What an A/A measured."""
    found = msgspec.json.decode(path.read_bytes(), type=GateResult)
    return [
        f"| {one.cell} | `{one.name}` | {one.runs} | {one.spread_ratio:.1%} | "
        f"{one.found_ratio - 1:.0%} |"
        for one in found.noise
    ]


def written(text: str, name: str, body: list[str], made: str) -> str:
    """A page with the body of one of its tables replaced, and how it was made under it."""
    pattern = rf"(<!-- {name} -->\n\|[^\n]*\n\|[^\n]*\n)(.*?)(\n<!-- end -->)"
    new, count = re.subn(
        pattern,
        lambda found: found[1] + "\n".join(body) + f"\n\n{made}" + found[3],
        text,
        flags=re.DOTALL,
    )
    if not count:
        raise SystemExit(f"{PAGE}: no table between `<!-- {name} -->` and `<!-- end -->`")
    return new


def main() -> None:
    """Simulate, and write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--noise", type=Path, help="gate.json of an A/A")
    options.add_argument("--draws", type=int, default=4000)
    given = options.parse_args()
    error = 1.96 * (ALPHA * (1 - ALPHA) / given.draws) ** 0.5
    made = (
        f"Made with `python -m benchmarks.gate --draws {given.draws}`, seed 1; the figures of a "
        f"share near 5 % are sure to {error:.1%}."
    )
    text = written(PAGE.read_text(), "calibration", rows(given.draws), made)
    if given.noise is not None:
        facts = machine_facts()
        machine = f"Measured on {facts['machine']}; {facts['system']}."
        text = written(text, "noise", noise_rows(given.noise), machine)
    PAGE.write_text(text)
    print("\n".join(line for line in text.splitlines() if line.startswith("| ")), file=sys.stderr)


if __name__ == "__main__":
    main()
