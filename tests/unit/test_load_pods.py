"""pods.json as the driver sees it."""

import json
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.load.pods import PodEntry, Pods, PodsFile


def entry(caller: str, state: str = "ready") -> dict[str, str]:
    slot = caller.rpartition(".")[0]
    return {"slot": slot, "caller": caller, "url": "http://127.0.0.1:1", "state": state}


def write(path: Path, *entries: dict[str, str]) -> None:
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps({"pods": entries}))
    draft.replace(path)


def test_a_replaced_file_is_read_once(tmp_path: Path) -> None:
    """A change is told once; no file means no pods."""
    path = tmp_path / "pods.json"
    pods = PodsFile(path)

    assert (pods.refresh(), pods.current.pods) == (False, ())
    write(path, entry("agents-1.1"))
    assert [pods.refresh(), pods.refresh()] == [True, False]
    write(path, entry("agents-1.2"))
    assert pods.refresh()
    assert not pods.current.has("agents-1.1")


def test_a_broken_file_is_ours(tmp_path: Path) -> None:
    """The runner replaces the file atomically, so nonsense in it is a broken invariant."""
    path = tmp_path / "pods.json"
    path.write_text("{")

    with pytest.raises(HarnessError, match=r"pods\.json"):
        PodsFile(path).refresh()


def test_who_may_be_asked() -> None:
    """The slot's own ready pod first; others only when any pod answers; down ones never."""
    own, other, down = (
        PodEntry(slot=slot, caller=caller, url="", state=state)
        for slot, caller, state in [
            ("agents-1", "agents-1.2", "ready"),
            ("agents-0", "agents-0.1", "ready"),
            ("agents-1", "agents-1.1", "down"),
        ]
    )
    pods = Pods(pods=(down, other, own))

    assert pods.live_for("agents-1", any_pod_answers=False) == (own,)
    assert pods.live_for("agents-1", any_pod_answers=True) == (own, other)
    assert pods.live_for("agents-2", any_pod_answers=False) == ()
    assert pods.live_for("agents-2", any_pod_answers=True) == (other, own)
    assert pods.has("agents-1.1")
