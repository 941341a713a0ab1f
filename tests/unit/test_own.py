"""A worker of one's own: what is taken from its words, and what is refused in one message."""

from pathlib import Path

import pytest

from harness.cli.arguments import parser
from harness.cli.asking import orders_of
from harness.cli.own import own_again
from harness.engines.external.adapter import Said, column_of, said_by_hand, said_of, spec_of_said
from harness.errors import UsageError
from harness.evidence.misheard import misheard
from harness.evidence.starts import DriverEvent
from harness.expectations import own_expectations
from harness.runner.order import Order, engine_of
from harness.runner.own import OwnEngine, own_of_run, read_own, write_own

WORKER = ("--worker", "python3 worker.py")
BY_HAND = ("--about", "engine=mine", "--about", "kinds=say,tools", "--about", "recovery=assisted")


def asked(folder: Path, *words: str) -> list[Order]:
    out = ("--out", str(folder / "runs"))
    return orders_of(parser().parse_args(["run", *words, *out]))[1]


def test_a_worker_told_by_hand_is_not_started(tmp_path: Path) -> None:
    """What is not said promises least; the column carries its name."""
    (order,) = asked(tmp_path, "pod_kill", *WORKER, *BY_HAND, "--set", 'mix={"chain":1}')

    assert order.name == "pod_kill.external:mine.none.none.0"
    spec = engine_of(order)
    assert (spec.recovery, spec.intake, spec.kinds) == ("assisted", "volatile", ("say", "tools"))
    assert spec.worker[1:] == ("worker.py",)


def test_a_matrix_gets_one_more_column(tmp_path: Path) -> None:
    """Once for each of its scenarios, after the matrix's own runs."""
    *others, own = asked(tmp_path, "--matrix", "demo", *WORKER, "--about", "engine=mine")

    assert [one.cell.engine for one in others] == ["control", "control"]
    assert own.scenario == others[0].scenario
    assert own.name.startswith("pod_kill.external:mine.")


def test_with_a_sidecar_it_needs_dapr(tmp_path: Path) -> None:
    """It stands on the first of Dapr's stores, or on the one that was named."""
    first, named = (
        asked(tmp_path, "pod_kill", *WORKER, "--sidecar", *more)[0]
        for more in ((), ("--store", "in-memory"))
    )

    assert engine_of(first).needs_dapr
    assert (first.cell.store, named.cell.store) == ("redis", "in-memory")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*WORKER, "--engine", "control"), "--worker does not go with --engine control"),
        (("--sidecar", "--about", "kinds=say"), "--about, --sidecar without --worker COMMAND"),
        (("--engine", "external"), "engine external is a worker of yours; name it: --worker"),
        (("--worker", "'unclosed"), "No closing quotation"),
        (("--worker", " "), "--worker is empty"),
        (("--worker", "no-such-command x"), "no command 'no-such-command'"),
        ((*WORKER, "--about", "colour=red"), "--about colour=red: expected KEY=VALUE"),
        ((*WORKER, "--about", "any_pod_answers=maybe"), "say true or false"),
        ((*WORKER, "--about", "engine=a b"), "engine is 'a b', expected up to 40 letters"),
        ((*WORKER, "--about", "kinds=say"), "mine: not implemented"),
        ((*WORKER, "--expectations", "/nowhere.yaml"), "/nowhere.yaml: "),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    """Before a process exists."""
    more = ("--about", "engine=mine") if "kinds=say" in words and "--worker" in words else ()
    with pytest.raises(UsageError) as caught:
        asked(tmp_path, "pod_kill", *words, *more)

    assert told in str(caught.value)


def test_an_about_is_read_strictly() -> None:
    """Later fields are ignored, another type is not."""
    text = b"""{"engine": "x", "recovery": "none", "intake": "durable", "any_pod_answers": false,
        "kinds": ["say"], "mood": "fine"}"""

    assert said_of(text) == Said(engine="x", intake="durable", kinds=("say",))
    with pytest.raises(UsageError, match="any_pod_answers"):
        said_of(text.replace(b"false", b'"no"'))
    with pytest.raises(UsageError, match="expected a JSON object"):
        said_of(b"[]")


def test_the_column_names_engine_and_variant() -> None:
    """A default variant is left out."""
    assert column_of(said_by_hand(["engine=mine"])) == "mine"
    assert column_of(said_by_hand(["engine=mine", "variant=fast"])) == "mine-fast"


def test_a_run_remembers_its_worker(tmp_path: Path) -> None:
    """engine.json is read back as it was written, for `check` and `repro`."""
    promises = tmp_path / "promises.yaml"
    promises.write_text("promises: {S1: promised, R: {word: unstated, source: a, quote: b}}")
    spec = spec_of_said(Said(engine="x", kinds=("say",)), ("x",), has_sidecar=False)
    own = OwnEngine(spec=spec, expectations=own_expectations(promises))

    write_own(tmp_path, own)

    assert read_own(tmp_path) == own_of_run(tmp_path, "external") == own
    assert own.expectations["S1"].word == "promised"


def test_a_stored_command_is_run_only_when_it_is_trusted(tmp_path: Path) -> None:
    """A run may come from a stranger, and engine.json may be anything."""
    spec = spec_of_said(Said(engine="x", kinds=("say",)), ("rm", "-r"), has_sidecar=False)
    write_own(tmp_path, OwnEngine(spec=spec))

    assert own_again(tmp_path, "reference", is_trusted=False) is None
    assert own_of_run(tmp_path, "reference") is None
    assert own_again(tmp_path, "external", is_trusted=True) is not None
    with pytest.raises(UsageError, match=r"names a command of its own, 'rm -r'.*--trust"):
        own_again(tmp_path, "external", is_trusted=False)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"spec": 1}', b"[" * 100_000])
def test_a_damaged_engine_promises_nothing(tmp_path: Path, data: bytes) -> None:
    """It is judged by what is unstated, never by a guess; a link is not followed."""
    (tmp_path / "engine.json").write_bytes(data)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "engine.json").symlink_to(tmp_path / "engine.json")

    assert own_of_run(tmp_path, "external") is None
    assert own_of_run(tmp_path / "linked", "external") is None
    with pytest.raises(UsageError, match=r"engine\.json"):
        read_own(tmp_path)


def test_wrong_promises_are_told(tmp_path: Path) -> None:
    """All of them in one message."""
    promises = tmp_path / "promises.yaml"
    promises.write_text("promises: {S9: promised, S1: surely}")

    with pytest.raises(UsageError, match=r"unknown promise 'S9'.*S1: 'surely' is none of"):
        own_expectations(promises)


def test_answers_that_nobody_could_use_are_counted() -> None:
    """Refused starts and unreadable statuses; neither lost connections nor running agents."""

    def event(kind: str, agent: str, status: str) -> DriverEvent:
        return DriverEvent(t_ns=0, kind=kind, agent=agent, intended_ns=0, caller="", status=status)

    told = misheard(
        [
            event("fail", "a1", '500 {"agent": "a1"}'),
            event("fail", "a2", '500 {"agent": "a2"}'),
            event("fail", "a3", "connect: ConnectionRefusedError"),
            event("info", "a4", "left over (stopped): last status unreadable status: x"),
            event("info", "a5", "left over (stopped): last status running"),
        ]
    )

    assert [text.partition(";")[0] for text in told] == [
        '2 starts were refused: 500 {"agent": "<agent>"}',
        "1 agents never ended, and their last status was: unreadable status: x",
    ]
