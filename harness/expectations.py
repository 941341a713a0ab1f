"""What each engine promises, from scenarios/expectations.yaml: the yardstick of the exit code."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import msgspec
import yaml

from harness.errors import UsageError
from harness.history import Declared
from harness.state_store import OUTCOMES
from harness.verdict import ENGINE_KEYS, PROMISE_KEYS

WORDS = ("promised", "not promised", "unstated")
DELIVERIES = ("at least once", "at most once", "exactly once")
ORDERS = ("none", "per key")
FILE = Path(__file__).resolve().parents[1] / "scenarios" / "expectations.yaml"
"""Beside harness in the checkout and in an installation alike; above it in the import table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """An engine's own word about one promise."""

    word: str
    """promised | not promised | unstated."""
    source: str
    """Where it says so; a key of ``sources``, spelled out when loaded."""
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerWord:
    """A broker's word about promise M, and what it declares of its messages."""

    word: str
    """promised | not promised | unstated."""
    delivery: str
    """A word of `DELIVERIES`."""
    order: str
    """A word of `ORDERS`."""
    source: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreWord:
    """What is expected of agents' state on a store; words of `harness.state_store.OUTCOMES`."""

    pods: int
    """For which it is declared."""
    killed: str
    """While pods are killed."""
    calm: str
    """Without a kill."""
    source: str
    quote: str
    unpromised: dict[str, str] = field(default_factory=dict)
    """Check of `harness.stores.state_api` that it may fail -> its own word about that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OwnTable:
    promises: dict[str, str | Expectation]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    schema: int
    sources: dict[str, str]
    engines: dict[str, dict[str, Expectation]]
    brokers: dict[str, BrokerWord] = field(default_factory=dict)
    stores: dict[str, StoreWord] = field(default_factory=dict)


UNSTATED = Expectation(word="unstated", source="", quote="")


def expectation_of(engine: str, variant: str, promise: str, store: str = "") -> Expectation:
    """The word of ``engine:variant`` about a promise; unstated for an engine without an entry.

    An entry such as ``dapr_workflow:default/in-memory`` goes before, on that store. Of promise M
    brokers speak: see `message_expectation`.

    What follows an @ in the variant is a number for it, such as a mutant's rate: the word is the
    same.
    """
    table = load_expectations(FILE)
    who = f"{engine}:{variant.partition('@')[0]}"
    return table.get(f"{who}/{store}", table.get(who, {})).get(promise) or UNSTATED


def message_expectation(engine: str, variant: str, brokers: Iterable[str]) -> Expectation:
    """The word about promise M of an engine on these brokers: the weakest of theirs.

    An entry such as ``dapr_agents:default/redis`` goes before the one of the broker alone, since
    what an engine makes of a message can be less than what the broker promises.
    """
    table = load_brokers(FILE)
    who = f"{engine}:{variant.partition('@')[0]}"
    words = [table.get(f"{who}/{name}") or table.get(name) for name in brokers]
    found = [
        Expectation(word=one.word, source=one.source, quote=one.quote) if one else UNSTATED
        for one in words
    ]
    weakest = ("not promised", "unstated", "promised")
    return min(found, key=lambda one: weakest.index(one.word), default=UNSTATED)


def declared_brokers() -> dict[str, Declared]:
    """What each broker declares of its messages."""
    return {
        name: Declared(delivery=one.delivery, is_ordered=one.order == "per key")
        for name, one in load_brokers(FILE).items()
        if "/" not in name
    }


@cache
def load_stores(path: Path) -> dict[str, StoreWord]:
    """Read and check the part of the table that is about state stores.

    Raises:
        UsageError: with everything that is wrong in it.
    """
    table = _read(path)
    problems = [
        f"store {name}: {word!r} is none of {', '.join(OUTCOMES)}"
        for name, one in table.stores.items()
        for word in (one.killed, one.calm)
        if word not in OUTCOMES
    ]
    problems += [
        f"store {name}: source {one.source!r} is not listed"
        for name, one in table.stores.items()
        if one.source not in table.sources
    ]
    if problems:
        raise UsageError(f"{path}: {'; '.join(problems)}")
    return {
        name: replace(one, source=table.sources[one.source]) for name, one in table.stores.items()
    }


@cache
def load_brokers(path: Path) -> dict[str, BrokerWord]:
    """Read and check the part of the table that is about brokers.

    Raises:
        UsageError: with everything that is wrong in it.
    """
    table = _read(path)
    problems = []
    for name, one in table.brokers.items():
        for value, known in ((one.word, WORDS), (one.delivery, DELIVERIES), (one.order, ORDERS)):
            if value not in known:
                problems.append(f"broker {name}: {value!r} is none of {', '.join(known)}")
        if one.source not in table.sources:
            problems.append(f"broker {name}: source {one.source!r} is not listed")
    if problems:
        raise UsageError(f"{path}: {'; '.join(problems)}")
    return {
        name: replace(one, source=table.sources[one.source]) for name, one in table.brokers.items()
    }


def own_expectations(path: Path) -> dict[str, Expectation]:
    """Read what a worker of the user's own promises: ``promises: {S1: promised, ...}``.

    An entry is a word of `WORDS`, or a record with word, source and quote; what is left out is
    unstated.

    Raises:
        UsageError: with everything that is wrong in it.
    """
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text()), _OwnTable).promises
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise UsageError(f"{path}: {error}; expected promises: {{S1: promised, ...}}") from error
    entries = {
        key: Expectation(word=one, source=str(path), quote="") if isinstance(one, str) else one
        for key, one in found.items()
    }
    problems = [
        f"unknown promise {key!r}; known: {', '.join(PROMISE_KEYS)}"
        for key in entries
        if key not in PROMISE_KEYS
    ]
    problems += [
        f"{key}: {one.word!r} is none of {', '.join(WORDS)}"
        for key, one in entries.items()
        if one.word not in WORDS
    ]
    if problems:
        raise UsageError(f"{path}: {'; '.join(problems)}")
    return entries


@cache
def load_expectations(path: Path) -> dict[str, dict[str, Expectation]]:
    """Read and check a table.

    Raises:
        UsageError: with everything that is wrong in it.
    """
    table = _read(path)
    problems = []
    for name, promises in table.engines.items():
        lacking = [key for key in ENGINE_KEYS if key not in promises]
        unknown = [key for key in promises if key not in ENGINE_KEYS]
        if lacking or unknown:
            problems.append(f"{name} lacks {lacking or 'none'}, has unknown {unknown or 'none'}")
        for key, entry in promises.items():
            if entry.word not in WORDS:
                problems.append(f"{name} {key}: {entry.word!r} is none of {', '.join(WORDS)}")
            if entry.source not in table.sources:
                problems.append(f"{name} {key}: source {entry.source!r} is not listed")
    if problems:
        raise UsageError(f"{path}: {'; '.join(problems)}")
    return {
        name: {
            key: Expectation(word=entry.word, source=table.sources[entry.source], quote=entry.quote)
            for key, entry in promises.items()
        }
        for name, promises in table.engines.items()
    }


def _read(path: Path) -> _Table:
    try:
        return msgspec.convert(yaml.safe_load(path.read_text()), _Table)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise UsageError(f"{path}: {error}; expected schema, sources and engines") from error
