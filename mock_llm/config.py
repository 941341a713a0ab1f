"""What a run asks of the witness: latency, limits, form of the answers.

Read from a JSON file at the start; `POST /admin/config` changes parts of it in mid-run.
"""

from __future__ import annotations

import msgspec

from mock_llm.limiter import Limits


class ConfigError(Exception):
    """A setting that is unknown or out of range; the message names it."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings, with their defaults."""

    latency_ms_median: float = 1000.0
    """Median of the lognormal latency; 0 answers at once."""
    latency_sigma: float = 0.4
    """Sigma of the lognormal; 0 makes every latency the median."""
    tool_latency_ms_median: float = 0.0
    """Median of the lognormal latency of an effect's answer; the effect itself happens at once."""
    latency_ms_floor: float = 0.0
    """No latency is drawn below it."""
    requests_per_minute: int | None = None
    """RPM of an account; null for none."""
    tokens_per_minute: int | None = None
    """TPM of an account; null for none."""
    requests_per_day: int | None = None
    """RPD of an account; null for none."""
    burst: float = 1.0
    """See Limits."""
    charge_rejected: bool = True
    """See Limits."""
    is_quota_spent: bool = False
    """See Limits."""
    stable_answers: bool = False
    """Leave the attempt marks out of the answers."""
    fsync: bool = False
    """Sync the ledger at each record; read at the start only."""

    def __post_init__(self) -> None:
        latencies = (self.latency_ms_median, self.tool_latency_ms_median, self.latency_ms_floor)
        if min(*latencies, self.latency_sigma) < 0:
            raise ValueError("latencies and latency_sigma are 0 or more")
        self.limits()

    def limits(self) -> Limits:
        """The part for the limiter."""
        return Limits(
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            requests_per_day=self.requests_per_day,
            burst=self.burst,
            charge_rejected=self.charge_rejected,
            is_quota_spent=self.is_quota_spent,
        )


def parse(text: bytes) -> Config:
    """The settings in a JSON object; what it leaves out has its default.

    Raises:
        ConfigError: not JSON, an unknown name, a wrong type or range.
    """
    try:
        return msgspec.json.decode(text, type=Config)
    except msgspec.MsgspecError as error:
        known = ", ".join(Config.__struct_fields__)
        raise ConfigError(f"{error}; known settings: {known}") from error


def changed(config: Config, text: bytes) -> Config:
    """The settings with those in a JSON object changed.

    Raises:
        ConfigError: as for parse.
    """
    try:
        changes = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{error}; send a JSON object of settings") from error
    merged: dict[str, object] = {**msgspec.structs.asdict(config), **changes}
    return parse(msgspec.json.encode(merged))


def render(config: Config) -> str:
    """The settings as JSON, for the ledger and for the answers of the admin endpoints."""
    return msgspec.json.encode(config).decode()
