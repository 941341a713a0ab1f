"""The yardstick is a committed table, and a broken one is refused as a whole."""

from pathlib import Path

import pytest

from harness.engines.reference.mutants import MUTANTS
from harness.errors import UsageError
from harness.expectations import (
    FILE,
    WORDS,
    declared_brokers,
    expectation_of,
    load_brokers,
    load_expectations,
    message_expectation,
)
from harness.verdict import ENGINE_KEYS

ENTRY = "{word: promised, source: here, quote: sure}"


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "expectations.yaml"
    path.write_text(text)
    return path


def test_the_committed_table_is_sound() -> None:
    """Every engine that ships has a word about every promise, with a source."""
    found = load_expectations(FILE)

    assert {
        "dapr_workflow:default",
        "reference:default",
        "control:naive",
        "control:guarded",
    } <= set(found)
    for promises in found.values():
        assert set(promises) == set(ENGINE_KEYS)
        assert all(entry.word in WORDS and entry.source for entry in promises.values())


def test_the_naive_control_promises_nothing_and_the_guarded_all_but_s5() -> None:
    """They prove that red and green are both reachable."""
    naive = {key: expectation_of("control", "naive", key).word for key in ENGINE_KEYS}
    guarded = {key: expectation_of("control", "guarded", key).word for key in ENGINE_KEYS}

    assert set(naive.values()) == {"not promised"}
    assert [key for key, word in guarded.items() if word != "promised"] == ["S5"]


def test_every_mutant_breaks_its_word() -> None:
    """A mutant promises what the correct engine does, whatever its rate: to break it is exit 1."""
    right = [expectation_of("reference", "default", key) for key in ENGINE_KEYS]

    for mutant in MUTANTS:
        for variant in (mutant, f"{mutant}@3"):
            assert [expectation_of("reference", variant, key) for key in ENGINE_KEYS] == right


def test_an_engine_without_an_entry_has_stated_nothing() -> None:
    """A stranger's agent is judged all the same; nothing it breaks is its word."""
    assert expectation_of("mine", "default", "S1").word == "unstated"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("schema: [", "expectations.yaml"),
        ("schema: 1", "missing required field"),
        (f"schema: 1\nsources: {{here: x}}\nengines: {{'e:v': {{L: {ENTRY}}}}}", "lacks"),
        (f"schema: 1\nsources: {{here: x}}\nengines: {{'e:v': {{L9: {ENTRY}}}}}", "unknown"),
        (f"schema: 1\nsources: {{}}\nengines: {{'e:v': {{L: {ENTRY}}}}}", "is not listed"),
    ],
)
def test_a_broken_table_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, complaint: str
) -> None:
    """One message, the file's name first."""
    with pytest.raises(UsageError, match=complaint):
        load_expectations(table(tmp_path, text))


def test_a_word_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    """`maybe` is no promise."""
    entries = ", ".join(f"{key}: {ENTRY}" for key in ENGINE_KEYS).replace("promised", "maybe", 1)
    text = f"schema: 1\nsources: {{here: x}}\nengines: {{'e:v': {{{entries}}}}}"

    with pytest.raises(UsageError, match="'maybe' is none of"):
        load_expectations(table(tmp_path, text))


def test_of_messages_brokers_speak_and_the_weakest_word_counts() -> None:
    """A run over two brokers promises what both do; without one nothing is said."""
    words = {
        brokers: message_expectation("dapr_workflow", "default", brokers).word
        for brokers in (("redis",), ("redis", "kafka"), ("kafka", "in-memory"), ("redis", "x"), ())
    }

    assert list(words.values()) == ["promised", "promised", "not promised", "unstated", "unstated"]
    assert declared_brokers()["kafka"].is_ordered
    assert not declared_brokers()["redis"].is_ordered
    assert {one.delivery for one in declared_brokers().values()} == {"at least once"}


@pytest.mark.parametrize("change", ["word: maybe", "delivery: often", "order: some", "source: x"])
def test_a_broken_word_of_a_broker_is_refused(tmp_path: Path, change: str) -> None:
    """Whichever of its words is none that we know."""
    words = {"word": "promised", "delivery": "at least once", "order": "none", "source": "here"}
    key, _, value = change.partition(": ")
    entry = ", ".join(f"{name}: {one}" for name, one in {**words, key: value}.items())
    text = f"schema: 1\nsources: {{here: x}}\nengines: {{}}\nbrokers: {{b: {{{entry}, quote: q}}}}"

    with pytest.raises(UsageError, match=f"broker b: .*{value}"):
        load_brokers(table(tmp_path, text))
