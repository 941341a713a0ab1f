"""The price table, which the user edits, and what 1,000 agents cost by it. Pure."""

from dataclasses import dataclass, fields
from typing import Any

import msgspec
import yaml

from harness.capacity.record import Row
from harness.errors import UsageError

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmPrice:
    """What tokens cost."""

    model: str
    input_per_million: float
    output_per_million: float
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePrice:
    """What a machine like the measured one costs."""

    name: str
    per_hour: float
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A price table."""

    schema: int = SCHEMA
    currency: str
    as_of: str
    llm: LlmPrice
    node: NodePrice


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one agent takes."""

    calls: float
    prompt_tokens: float
    completion_tokens: float
    repeats_ratio: float
    """Of the calls, those that only repeat another; under the faults of the ladder."""


def parse_prices(text: str, *, source: str) -> Prices:
    """Read a price table.

    Raises:
        UsageError: no YAML, an unknown or missing field, another schema, a negative price.
    """
    try:
        prices = msgspec.convert(_known(yaml.safe_load(text), source), Prices)
    except yaml.YAMLError as error:
        raise UsageError(f"{source}: no YAML: {error}") from error
    except msgspec.ValidationError as error:
        raise UsageError(f"{source}: {error}; see scenarios/prices.yaml") from error
    if prices.schema != SCHEMA:
        raise UsageError(f"{source}: schema is {prices.schema}, this version reads {SCHEMA}")
    named = {
        "llm.input_per_million": prices.llm.input_per_million,
        "llm.output_per_million": prices.llm.output_per_million,
        "node.per_hour": prices.node.per_hour,
    }
    wrong = [f"{name} is {value:g}" for name, value in named.items() if not 0 <= value < 1e9]
    if wrong:
        raise UsageError(f"{source}: {', '.join(wrong)}; expected 0 or more")
    return prices


def _known(data: object, source: str) -> object:
    """The data, if no name in it is a stranger's: a misspelt price must not be lost."""
    records: dict[str, Any] = {"": Prices, "llm": LlmPrice, "node": NodePrice}
    for place, record in records.items():
        part = data.get(place, {}) if place and isinstance(data, dict) else data
        known = {one.name for one in fields(record)}
        strangers = set(part) - known if isinstance(part, dict) else set()
        if strangers:
            raise UsageError(f"{source}: unknown {', '.join(sorted(map(str, strangers)))}")
    return data


def cost_rows(spent: Spent, prices: Prices, *, nodes: int, agents_per_s: float) -> tuple[Row, ...]:
    """Cost of 1,000 agents: the LLM, of that the repeats, the nodes, the sum."""
    llm = (
        1000
        * (
            spent.prompt_tokens * prices.llm.input_per_million
            + spent.completion_tokens * prices.llm.output_per_million
        )
        / 1e6
    )
    again = llm * spent.repeats_ratio / (1 - spent.repeats_ratio) if spent.repeats_ratio < 1 else 0
    node = nodes * prices.node.per_hour / 3600 * 1000 / agents_per_s if agents_per_s > 0 else 0.0
    machines = "node" if nodes == 1 else "nodes"

    def money(value: float) -> str:
        return f"{value:,.4f} {prices.currency}"

    return (
        Row(
            name="LLM",
            value=money(llm),
            text=f"{spent.calls:.2f} calls, {spent.prompt_tokens:,.0f} prompt and "
            f"{spent.completion_tokens:,.0f} completion tokens an agent; {prices.llm.model}",
        ),
        Row(
            name="repeated calls",
            value=money(again),
            text=f"{spent.repeats_ratio:.2%} of the calls under the fault of the ladder only "
            "repeat another; on top",
        ),
        Row(
            name=machines,
            value=money(node),
            text=f"{nodes} {machines} of {prices.node.name} at {agents_per_s:.3g} agents/s",
        ),
        Row(
            name="sum",
            value=money(llm + again + node),
            text=f"prices as of {prices.as_of}, by the table that was given: edit it",
        ),
    )
