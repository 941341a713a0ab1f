"""The driver's configuration: what the runner writes, the driver reads, and nothing else."""

import msgspec
import pytest

from harness.errors import UsageError
from harness.load import config

CONFIG = config.DriverConfig(
    witness="http://127.0.0.1:20001",
    programs="programs.jsonl",
    pods="live/pods.json",
    events="live/driver.jsonl",
    histograms="live/histograms.json",
    stop_file="live/stop",
    deadline_s=60.0,
    rate_per_s=12.5,
    any_pod_answers=True,
    agents_prefix="a",
)


def changed(**fields: object) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(config.encode(CONFIG)), **fields})


def test_what_is_written_is_read() -> None:
    """Encoding and decoding is the identity."""
    assert config.decode(config.encode(CONFIG), source="x") == CONFIG


def test_null_rate_means_all_at_once() -> None:
    """A null rate is a value, not an omission."""
    assert config.decode(changed(rate_per_s=None), source="x").rate_per_s is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"speed": 3}, "unknown fields ['speed']"),
        ({"schema": 9}, "schema is 9"),
        ({"shape": "saw"}, "shape is 'saw'"),
        ({"rate_per_s": 0}, "rate_per_s is 0"),
        ({"deadline_s": -1}, "deadline_s is -1"),
        ({"starts_in_flight": 0}, "starts_in_flight is 0"),
        ({"witness": 7}, "no driver configuration"),
    ],
)
def test_misuse_is_said(fields: dict[str, object], said: str) -> None:
    """Every wrong field is an error with its value."""
    with pytest.raises(UsageError) as caught:
        config.decode(changed(**fields), source="driver.json")

    assert said in str(caught.value)
    assert "driver.json" in str(caught.value)


def test_no_json_is_said() -> None:
    """A torn file is a usage error, not a crash."""
    with pytest.raises(UsageError):
        config.decode(b'{"schema": 1', source="x")
