"""What the harness must know of the reference engine."""

import sys

from harness.engines.walk import KINDS
from harness.errors import UsageError
from harness.protocols import EngineSpec

ENGINE = "reference"
VARIANTS: tuple[str, ...] = ("default",)
"""The correct engine; a mutant is a further variant."""

WORKER = (sys.executable, "-m", "harness.engines.reference.worker")


class Reference:
    """See Engine."""

    name = ENGINE
    variants = VARIANTS

    def spec(self, variant: str) -> EngineSpec:
        """See Engine."""
        if variant not in VARIANTS:
            raise UsageError(
                f"unknown variant {variant!r} of {ENGINE}; known: {', '.join(VARIANTS)}"
            )
        return EngineSpec(
            engine=ENGINE,
            variant=variant,
            summary="journals each result before it uses it, and resumes by itself",
            recovery="native",
            intake="durable",
            any_pod_answers=False,
            kinds=KINDS,
            worker=WORKER,
        )
