"""Variant to decisions: the correct engine, and its mutants."""

from pathlib import Path

from harness.engines.llm import Llm
from harness.engines.reference.memory import Memory
from harness.engines.reference.mutants import MUTANTS
from harness.engines.reference.planting import CORRECT, Planting, parse_variant
from harness.engines.reference.policy import Policy
from harness.engines.reference.slow import Slow
from harness.errors import UsageError

SLOW = "slow"
VARIANTS: tuple[str, ...] = (CORRECT, SLOW, *MUTANTS)


def check_variant(variant: str) -> str:
    """The variant's name without its rate.

    Raises:
        UsageError: no such variant.
    """
    name, _ = parse_variant(variant)
    if name not in VARIANTS or (name == SLOW and variant != SLOW):
        raise UsageError(
            f"unknown variant {variant!r} of reference; known: {', '.join(VARIANTS)}; a mutant may "
            "be followed by @ and a number, one agent in how many it harms"
        )
    return name


def summary_of(variant: str) -> str:
    """One line about a variant, for lists. Raises as `check_variant`."""
    name = check_variant(variant)
    if name == CORRECT:
        return "journals each result before it uses it, and resumes by itself"
    if name == SLOW:
        return "keeps every promise, and waits 100 ms before each LLM call"
    first = (MUTANTS[name].__doc__ or "").splitlines()[0]
    return f"a mutant: {first[0].lower()}{first[1:].rstrip('.')}"


def make_policy(variant: str, memory: Memory, llm: Llm, folder: Path) -> Policy:
    """The decisions of a variant; ``folder`` is the slot's state. Raises as `check_variant`."""
    name, rate = check_variant(variant), parse_variant(variant)[1]
    if name == CORRECT:
        return Policy(memory, llm)
    if name == SLOW:
        return Slow(memory, llm)
    return MUTANTS[name](memory, llm, Planting(mutant=name, rate=rate, folder=folder))
