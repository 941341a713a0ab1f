"""The article's claims, from scenarios/claims.yaml: which run and promise decide each of them.

Fixed before a run, like expectations; verdicts are never in it. `reports.claims` joins the two.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from harness.errors import UsageError
from harness.plan import LOCAL, PLATFORMS
from harness.verdict import PROMISE_KEYS

FILE = Path(__file__).resolve().parents[1] / "scenarios" / "claims.yaml"
FIGURES = ("completed", "spanned", "outlives")
CONFIRMS = ("valid", "invalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTest:
    """What decides a claim: one promise or figure of one column."""

    scenario: str
    engine: str
    """engine:variant."""
    promise: str = ""
    """A key of the vector."""
    figure: str = ""
    """``completed``: every accepted agent ended completed; ``spanned``: every executed step has a
    span; ``outlives``: every trace of an agent that a kill interrupted goes on after it."""
    broker: str = ""
    """The broker of the run; empty for whichever it has."""
    store: str = ""
    """The state store of the run; empty for whichever it has."""
    platform: str = LOCAL
    """Where the pods of the run lived."""
    confirms: str = "valid"
    """valid: the claim is confirmed when the promise holds; invalid: when it is refuted."""
    why: str = ""
    """What this test stands for, where it is not the claim itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One sentence or table cell of the article."""

    place: str
    """Section, or table cell, of the article."""
    quote: str
    tests: tuple[ClaimTest, ...] = ()
    not_tested: str = ""
    """Why it, or the rest of it, is not tested here."""
    samples: tuple[str, ...] = ()
    """Code samples that are meant to show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A code sample as the article prints it, indented again."""

    name: str
    place: str
    code: str
    names: tuple[str, ...] = ()
    """What it calls by names that must exist: dotted, from the module on."""
    language: str = "python"
    """python | yaml | shell."""
    not_run: str = ""
    """Why it is not run here; only Python is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOutcome:
    """What came of running a sample."""

    name: str
    outcome: str
    """``ran to its end``, the error it ended with, or that it was still running."""
    absent: tuple[str, ...]
    """Names of it that do not exist."""
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """All of claims.yaml."""

    schema: int
    source: str
    samples: tuple[Sample, ...]
    claims: tuple[Claim, ...]


def load_claims(path: Path = FILE) -> Article:
    """Read and check the claims.

    Raises:
        UsageError: with everything that is wrong in them.
    """
    try:
        article = msgspec.convert(yaml.safe_load(path.read_text()), Article)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise UsageError(f"{path}: {error}; expected source, samples and claims") from error
    names = [sample.name for sample in article.samples]
    problems = [text for claim in article.claims for text in _problems_of(claim, names)]
    problems += [
        f"sample {one.name}: only Python is run; say in `not_run` why {one.language} is not"
        for one in article.samples
        if (one.language != "python") != bool(one.not_run)
    ]
    if problems:
        raise UsageError(f"{path}: {'; '.join(problems)}")
    return article


def _problems_of(claim: Claim, samples: list[str]) -> list[str]:
    found = [f"unknown sample {name!r}" for name in claim.samples if name not in samples]
    if not (claim.tests or claim.not_tested or claim.samples):
        found.append("neither a test nor a reason why there is none")
    for test in claim.tests:
        if (test.promise in PROMISE_KEYS) == (test.figure in FIGURES):
            found.append(f"say one promise or one figure, not {test.promise!r} {test.figure!r}")
        if test.platform not in PLATFORMS:
            found.append(f"platform is {test.platform!r}, expected {' or '.join(PLATFORMS)}")
        if test.confirms not in CONFIRMS:
            found.append(f"confirms is {test.confirms!r}, expected {' or '.join(CONFIRMS)}")
    return [f"{claim.place}: {text}" for text in found]
