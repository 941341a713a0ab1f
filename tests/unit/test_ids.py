"""Names of slots, callers and agents."""

import pytest

from harness.ids import Slot, agent_id, caller_of, slot_of


@pytest.mark.parametrize("slot", ["agents-1", "agents-12", "a.b"])
@pytest.mark.parametrize("incarnation", [1, 10])
def test_a_caller_names_its_slot(slot: str, incarnation: int) -> None:
    """What the ledger says of a caller leads back to the pod's place."""
    assert slot_of(caller_of(Slot(slot), incarnation)) == slot


def test_agents_sort_like_their_numbers() -> None:
    """Text order is arrival order."""
    names = [agent_id(number) for number in (0, 2, 10, 199_999)]

    assert names == sorted(names)
    assert names[0] == "a000000"
