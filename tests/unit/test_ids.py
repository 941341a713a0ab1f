"""Names of agents."""

from harness.ids import agent_id


def test_agents_sort_like_their_numbers() -> None:
    """Text order is arrival order."""
    names = [agent_id(number) for number in (0, 2, 10, 199_999)]

    assert names == sorted(names)
    assert names[0] == "a000000"
