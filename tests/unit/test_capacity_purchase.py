"""Nodes, quota and money, by sums that can be done by hand."""

from pathlib import Path

import pytest

from harness.capacity.laws import Quota
from harness.capacity.prices import Spent, cost_rows, parse_prices
from harness.capacity.purchase import Target, nodes_for, problems_of_target
from harness.errors import UsageError

SHIPPED = Path(__file__).parents[2] / "scenarios" / "prices.yaml"
GOOD = """
schema: 1
currency: EUR
as_of: today
llm: {model: m, input_per_million: 1.0, output_per_million: 10.0}
node: {name: n, per_hour: 3.6}
"""


@pytest.mark.parametrize(("wanted", "nodes"), [(7.0, 2), (7.1, 3), (70.0, 11), (0.1, 2)])
def test_nodes_have_one_to_spare(wanted: float, nodes: int) -> None:
    """At 70 % of 10/s each node carries 7/s."""
    assert nodes_for(wanted, node_per_s=10.0, use_ratio=0.7) == nodes


def test_a_thousand_agents_by_hand() -> None:
    """1,000 agents of 1,000 + 100 tokens are 1 + 1 EUR; a tenth repeated; a node-hour of 3,600."""
    spent = Spent(calls=5, prompt_tokens=1000, completion_tokens=100, repeats_ratio=0.1)
    rows = cost_rows(spent, parse_prices(GOOD, source="x"), nodes=1, agents_per_s=10.0)

    assert [row.value for row in rows] == ["2.0000 EUR", "0.2222 EUR", "0.1000 EUR", "2.3222 EUR"]


def test_the_shipped_table_can_be_read() -> None:
    """It is what the user copies and edits."""
    assert parse_prices(SHIPPED.read_text(), source="shipped").currency == "USD"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("per_hour: 3.6", "per_hour: -1"), "node.per_hour is -1"),
        (("per_hour: 3.6", "per_month: 3.6"), "unknown per_month"),
        (("schema: 1", "schema: 9"), "schema is 9"),
        (("model: m, ", ""), "model"),
        (("per_hour: 3.6", "per_hour: cheap"), "per_hour"),
    ],
)
def test_a_wrong_table_is_refused(change: tuple[str, str], told: str) -> None:
    """With the field and what was expected."""
    with pytest.raises(UsageError, match=told):
        parse_prices(GOOD.replace(*change), source="prices.yaml")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (Target(agents_per_s=0), "--target is 0"),
        (Target(use_ratio=1.2), "--use is 1.2"),
        (Target(nodes_max=0), "--nodes-max is 0"),
        (Target(quota=Quota(requests_per_min=0)), "--rpm is 0"),
        (Target(slo_s=0.9), "the LLM alone takes an agent 1 s"),
        (
            Target(agents_per_s=10, quota=Quota(requests_per_min=600)),
            "need 3,000 requests a minute, so this quota allows 2 agents/s",
        ),
    ],
)
def test_what_no_measurement_can_mend_is_said_before(target: Target, told: str) -> None:
    """Five calls an agent, one second of LLM."""
    problems = problems_of_target(target, calls_per_agent=5, least_s=1.0)

    assert len(problems) == 1
    assert told in problems[0]


def test_a_target_that_can_be_is_no_problem() -> None:
    """600 requests a minute are 2 agents/s."""
    target = Target(agents_per_s=2, slo_s=3, quota=Quota(requests_per_min=600))

    assert problems_of_target(target, calls_per_agent=5, least_s=1.0) == []
