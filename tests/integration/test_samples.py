"""The article's code samples are run as printed, bounded and offline."""

import pytest

from harness.claims import Sample
from harness.runner.samples import run_samples

pytestmark = pytest.mark.integration


def test_a_sample_runs_as_a_cell_does() -> None:
    """Top-level await is allowed; the error's last line and the absent names are told."""
    code = "import asyncio\nawait asyncio.sleep(0)\nraise KeyError('x')\n"
    names = ("json.loads", "json.nothing", "json.decoder.JSONDecoder")
    sample = Sample(name="s", place="p", names=names, code=code)

    (outcome,) = run_samples([sample], timeout_s=30.0)

    assert outcome.outcome == "KeyError: 'x'"
    assert outcome.absent == ("json.nothing",)


def test_a_sample_that_hangs_is_ended() -> None:
    """It is told as such, and waited for no longer than was said."""
    sample = Sample(name="s", place="p", names=("json.loads",), code="while True: pass\n")

    (outcome,) = run_samples([sample], timeout_s=2.0)

    assert outcome.outcome.startswith("still running")
