"""What the harness costs: agents/s under it, by those of a bare driver, in interleaved pairs.

    python -m benchmarks.overhead --agents 500 --pairs 5

Both sides run the same programs, prompts and all, on the same runtime, store and mock LLM, one pod,
50 ms a step. The interval of the median ratio is by order statistics (for 5 pairs: minimum to
maximum, 93.75 %).
"""

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path

from benchmarks.stand import Measured, bare, find_provided, under_harness

OURS = ("driver", "witness")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=5)
    asked = parser.parse_args()
    provided = find_provided()
    ratios, shares = [], []
    for number in range(asked.pairs):
        sides: dict[str, Measured] = {}
        for name, side in (("harness", under_harness), ("bare", bare)):
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder) / f"{name}-{number}"
                sides[name] = asyncio.run(side(root, provided, asked.agents, asked.steps))
        ours, theirs = sides["harness"], sides["bare"]
        ratios.append(ours.agents_per_s / theirs.agents_per_s)
        total = sum(ours.cpu_s.values())
        shares.append(sum(ours.cpu_s.get(name, 0.0) for name in OURS) / total)
        print(
            f"pair {number + 1}: harness {ours.agents_per_s:.1f}, bare {theirs.agents_per_s:.1f} "
            f"agents/s, ratio {ratios[-1]:.3f}; driver and witness {shares[-1]:.1%} of all CPU; "
            f"CPU s {_rounded(ours)}, bare {_rounded(theirs)}",
            flush=True,
        )
    print(
        f"ratio: median {statistics.median(ratios):.3f}, interval {min(ratios):.3f} to "
        f"{max(ratios):.3f}, {asked.pairs} pairs; driver and witness, share of all CPU: median "
        f"{statistics.median(shares):.1%}"
    )


def _rounded(side: Measured) -> dict[str, float]:
    return {kind: round(spent, 1) for kind, spent in side.cpu_s.items()}


if __name__ == "__main__":
    main()
