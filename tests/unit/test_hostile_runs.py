"""A run's directory from anywhere: whatever is in it, a clear word, no crash, nothing outside."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.archive import SEALED, read_plan, read_run
from harness.cli import main
from harness.errors import MachineError, UsageError
from harness.runner.judge import judge
from tests.histories.random_runs import Run
from tests.histories.stored import store

NESTED = b'{"schema":1,"steps":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
HUGE = [0, -1, 1, 2**31, 2**63 - 1, 2**63, 10**400, 1e308, -5.5, None, "", "../../x", [], {}, True]
FILES = (
    *SEALED,
    "history.json",
    "live/ledger-0001.bin",
    "manifest.json",
    "evidence/requests.parquet",
)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed run that is valid, S5 aside."""
    root: Path = tmp_path_factory.mktemp("runs") / "whole"
    run = Run(Random(3), agents=4, kills=2)
    run.play()
    store(run, root)
    return root


@pytest.fixture
def place(whole: Path) -> Iterator[Path]:
    """A copy of it, beside something that is nobody's business."""
    with copied(whole) as root:
        yield root


class copied:  # noqa: N801 - reads as what it gives.
    """A copy of a run in a folder of its own; its neighbours must not change."""

    def __init__(self, whole: Path) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.base = Path(self._folder.name)
        shutil.copytree(whole, self.base / "runs" / "run")
        (self.base / "outside").mkdir()
        (self.base / "outside" / "secret").write_text("nobody's business")

    def __enter__(self) -> Path:
        return self.base / "runs" / "run"

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def outside_of(root: Path) -> dict[str, bytes]:
    base = root.parent.parent
    return {
        str(path.relative_to(base)): path.read_bytes() if path.is_file() else b""
        for path in sorted(base.rglob("*"))
        if root not in path.parents and path != root
    }


def checked(root: Path) -> int:
    """The exit code of `onceproof check`; anything but an exit is a crash."""
    before = outside_of(root)
    with pytest.raises(SystemExit) as exited:
        main(["check", str(root)])
    assert outside_of(root) == before
    assert isinstance(exited.value.code, int)
    return exited.value.code


def test_the_whole_run_is_judged(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The green case of all that follows."""
    assert checked(place) == 0
    assert "L, S1" in capsys.readouterr().out
    assert judge(place).assumptions[0].is_met


def cut(chance: Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))] if data else data


def flip(chance: Random, data: bytes) -> bytes:
    at = chance.randrange(len(data)) if data else 0
    return (
        data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :] if data else b""
    )


def double(chance: Random, data: bytes) -> bytes:
    one, two = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:two] + data[one:]


def reorder(chance: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines)
    return b"".join(lines)


def change_value(chance: Random, data: bytes) -> bytes:
    """One value of a JSON text, however deep, becomes another."""
    lines = data.splitlines() if data[:1] == b"{" else []
    if not lines:
        return flip(chance, data)
    try:
        number = chance.randrange(len(lines))
        is_one = data.count(b"\n{") == 0
        found = json.loads(data if is_one else lines[number])
    except (ValueError, RecursionError):  # An earlier harm may have made it no JSON, or a deep one.
        return flip(chance, data)
    holder, key = found, chance.choice(sorted(found))
    while isinstance(holder[key], dict | list) and holder[key] and chance.random() < 0.8:
        holder = holder[key]
        key = chance.choice(sorted(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[key] = chance.choice(HUGE)
    changed = json.dumps(found).encode()
    return changed if is_one else b"\n".join([*lines[:number], changed, *lines[number + 1 :]])


def nonsense(chance: Random, data: bytes) -> bytes:
    return chance.choice(
        [b"", b"\0" * 4096, NESTED, b"[]", b"null", b'{"schema": 99}', b"\xff\xfe"]
    )


Harm = Callable[[Random, bytes], bytes]
HARMS: list[Harm] = [cut, flip, double, reorder, change_value, change_value, nonsense]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 3))
def test_no_damage_passes_and_none_crashes(whole: Path, seed: int, count: int) -> None:
    """Cut, changed, doubled, reordered, foreign: never valid, and the message says why."""
    chance = Random(seed)
    with copied(whole) as root:
        for _ in range(count):
            path = root / chance.choice(FILES)
            path.write_bytes(chance.choice(HARMS)(chance, path.read_bytes()))
        is_changed = any(
            (root / name).read_bytes() != (whole / name).read_bytes() for name in FILES[:-2]
        )

        code = checked(root)

        assert code in ((1, 2, 254, 255) if is_changed else (0, 2))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["missing", "link", "folder", "pipe", "link to a device"])
def test_what_is_no_file_is_not_read(place: Path, name: str, kind: str) -> None:
    """A link's content is not the run's own, and a pipe would be waited for; only a seal may go."""
    path = place / name
    path.unlink()
    if kind == "link":
        path.symlink_to(place.parent.parent / "outside" / "secret")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")

    expected = {"plan.json": 254, "run.json": 255}.get(name, 2)
    assert checked(place) == (0 if (name, kind) == ("manifest.json", "missing") else expected)


@pytest.mark.parametrize("data", [b"", b'{"agents": [{"agent":', NESTED, b'{"schema": 99}'])
def test_a_history_that_cannot_be_read_changes_no_verdict(place: Path, data: bytes) -> None:
    """It is the engine's word: before the seal its damage costs the figure beside, and says so."""
    (place / "manifest.json").unlink()
    (place / "history.json").write_bytes(data)

    assert checked(place) == 0
    commits = judge(place).commits
    assert commits is not None
    assert commits.reason.startswith("history.json: ")


@pytest.mark.parametrize("name", ["results.json", "anomalies.jsonl", ".results.json.draft"])
def test_results_are_not_written_through_a_link(place: Path, name: str) -> None:
    """What we write replaces the link; what it led to stays as it was."""
    (place / name).symlink_to(place.parent.parent / "outside" / "secret")

    assert checked(place) == 0
    assert not (place / "results.json").is_symlink()


@pytest.mark.parametrize("name", ["live", "evidence"])
def test_a_folder_that_is_a_link_is_neither_read_nor_written(place: Path, name: str) -> None:
    """Also when there is no seal, and a new one would be written."""
    elsewhere = place.parent.parent / "outside" / name
    shutil.move(place / name, elsewhere)
    (place / name).symlink_to(elsewhere)
    (place / "manifest.json").unlink()

    assert checked(place) in (2, 255)
    assert any("is a link" in text for text in read_run(place).evidence.problems)


@pytest.mark.parametrize("name", ["../../outside/secret", "/etc/passwd", "live/../../x", "", "."])
def test_a_manifest_leads_nowhere_else(place: Path, name: str) -> None:
    """A name with a way out is a problem, and nothing there is opened."""
    digest = sha256(b"nobody's business").hexdigest()
    (place / "manifest.json").write_text(json.dumps({"schema": 1, "sha256": {name: digest}}))

    assert checked(place) == 2
    assert "outside of the run" in " ".join(read_run(place).evidence.problems) or name == "."


def test_a_matrix_leads_nowhere_else(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`report` reads the runs of its own directory only."""
    assert checked(place) == 0
    run = json.loads((place / "results.json").read_text()) | {"directory": "../outside"}
    matrix = {
        "schema": 1, "name": "m", "seed": 1, "started_utc": "", "duration_s": 1.0, "command": "",
        "exit_code": 0, "runs": [run],
    }  # fmt: skip
    (place.parent / "matrix.json").write_text(json.dumps(matrix))

    with pytest.raises(SystemExit) as exited:
        main(["report", str(place.parent)])

    assert exited.value.code == 254
    assert "'../outside'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("schema", 99, "schema is 99"),
        ("scenario.liveness_s", -1, "liveness_s is -1"),
        ("scenario.pods", 2**40, "pods is"),
        ("scenario.load", None, "scenario.load"),
    ],
)
def test_a_plan_that_no_version_made_is_refused(
    place: Path, field: str, value: object, complaint: str
) -> None:
    """With the file's name, what is wrong, and what was expected."""
    plan = json.loads((place / "plan.json").read_text())
    *way, last = field.split(".")
    holder = plan
    for name in way:
        holder = holder[name]
    holder[last] = value
    (place / "plan.json").write_text(json.dumps(plan))

    with pytest.raises(UsageError, match=complaint):
        read_plan(place)


def test_a_plan_of_an_engine_that_is_not_here_is_judged(place: Path) -> None:
    """The ledger needs no engine; without an entry it has promised nothing."""
    text = (place / "plan.json").read_text().replace('"reference"', '"of-tomorrow"')
    (place / "plan.json").write_text(text)

    assert judge(place).recovery_kind == ""
    assert checked(place) == 2


def test_a_seal_is_not_written_where_a_folder_is_in_the_way(place: Path) -> None:
    """The harness says so instead of breaking."""
    (place / "anomalies.jsonl").mkdir()

    with pytest.raises(MachineError, match=r"anomalies\.jsonl"):
        judge(place)
