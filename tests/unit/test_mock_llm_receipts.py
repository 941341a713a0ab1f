"""Receipts: found again in texts and ids, and told apart where they must be."""

from hypothesis import given
from hypothesis import strategies as st

from mock_llm import receipts
from mock_llm.receipts import Receipt

values = st.integers(0, 2**64 - 1)
marks = st.integers(-1, 2**50)


@given(st.lists(st.tuples(values, marks), max_size=5), st.text(max_size=10))
def test_roundtrip_in_a_text(given_receipts: list[tuple[int, int]], between: str) -> None:
    """Every receipt in a text is found, in order, whatever stands between."""
    text = f" {between} ".join(receipts.render(*one) for one in given_receipts)
    own = set(receipts.find(between))

    assert [one for one in receipts.find(text) if one not in own] == [
        Receipt(*one) for one in given_receipts if Receipt(*one) not in own
    ]


@given(values, marks, st.integers(0, 99))
def test_roundtrip_in_a_call_id(value: int, mark: int, index: int) -> None:
    """The id of a tool call says which turn gave it."""
    identifier = receipts.call_id(value, mark, index)

    assert receipts.parse_call_id(identifier) == (Receipt(value, mark), index)


def test_forms() -> None:
    """The text forms are fixed."""
    assert receipts.render(0xAB, 0x1F) == "<<00000000000000ab.1f>>"
    assert receipts.render(0xAB, -1) == "<<00000000000000ab>>"
    assert receipts.call_id(0xAB, 0x1F, 2) == "call_00000000000000abx1fx2"
    assert receipts.completion_id(0xAB, 0x1F) == "chatcmpl-00000000000000abx1f"
    assert receipts.tool_path("2", 1, 0) == "2.t1.c0"


def test_value_is_fixed() -> None:
    """The hash is part of the evidence's form: it may not change between versions."""
    assert receipts.receipt(7, "a1", "2", 1, [1, 2**64 - 1]) == 0x2577E51C6A58C54D


@given(st.integers(), st.text(max_size=5), st.text(max_size=5), st.integers(0, 9))
def test_value_carries_its_tag(seed: int, agent: str, path: str, turn: int) -> None:
    """A step's receipts are known by their tag, without the seed."""
    value = receipts.receipt(seed, agent, path, turn, [])

    assert receipts.tag_of(value) == receipts.tag(agent, path)
    assert 0 <= value < 2**64


def test_every_argument_counts() -> None:
    """Seed, step, turn and order of the predecessors all change the value."""
    base = receipts.receipt(7, "a1", "2", 0, [1, 2])
    others = [
        receipts.receipt(8, "a1", "2", 0, [1, 2]),
        receipts.receipt(7, "a2", "2", 0, [1, 2]),
        receipts.receipt(7, "a1", "3", 0, [1, 2]),
        receipts.receipt(7, "a1", "2", 1, [1, 2]),
        receipts.receipt(7, "a1", "2", 0, [2, 1]),
        receipts.receipt(7, "a1", "2", 0, [1]),
    ]

    assert len({base, *others}) == 7


def test_ids_of_others_are_none() -> None:
    """A framework's own call ids are no receipts."""
    assert receipts.parse_call_id("call_abc123") is None
    assert receipts.find("a << b >> c <<zz>>") == []


def test_all_in_a_text_of_any_form() -> None:
    """Texts and ids of tool calls inside JSON or a record's own words; each receipt once."""
    text = (
        f'{{"content": "{receipts.render(7, 3)} said Ada", "tool_calls": '
        f'[{{"id": "{receipts.call_id(8, 4, 1)}"}}]}} {receipts.render(7, 3)} '
        f"{receipts.render(9, -1)} {receipts.call_id(8, -1, 0)} <<nothing>>"
    )

    assert receipts.all_in(text) == [
        Receipt(7, 3),
        Receipt(9, receipts.UNMARKED),
        Receipt(8, 4),
        Receipt(8, receipts.UNMARKED),
    ]
