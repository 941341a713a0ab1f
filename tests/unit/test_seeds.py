"""Named streams: equal where they must be equal, strangers otherwise."""

from hypothesis import given
from hypothesis import strategies as st

from harness import seeds

names = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), max_size=8), max_size=3
)


@given(seed=st.integers(), name=names)
def test_one_name_is_one_stream(seed: int, name: list[str]) -> None:
    """Same seed and name: the same draws."""
    first, second = seeds.stream(seed, *name), seeds.stream(seed, *name)

    assert [first.random() for _ in range(3)] == [second.random() for _ in range(3)]


@given(seed=st.integers(0, 2**31), one=names, other=names)
def test_other_names_are_other_streams(seed: int, one: list[str], other: list[str]) -> None:
    """A new draw in one place changes no draw in another."""
    assert (one == other) == (seeds.derive(seed, *one) == seeds.derive(seed, *other))


def test_names_are_not_run_together() -> None:
    """("ab", "c") and ("a", "bc") are two streams."""
    assert seeds.derive(1, "ab", "c") != seeds.derive(1, "a", "bc")
    assert seeds.derive(1, 2) != seeds.derive(12)


def test_derived_seeds_never_change() -> None:
    """A stored plan's seed means the same in every version; golden values."""
    assert seeds.derive(1, "arrivals", "load") == GOLDEN
    assert seeds.array_stream(1, "x").integers(0, 100, 3).tolist() == GOLDEN_ARRAY


GOLDEN = 13_723_265_088_361_716_775
GOLDEN_ARRAY = [83, 81, 20]
