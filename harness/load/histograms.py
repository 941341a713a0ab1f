"""Latencies in high dynamic range histograms: nanoseconds in, 3 significant digits kept.

A thin wrapper on hdrhistogram, which counts microseconds up to one hour. What lies above is counted
at the limit, and as clipped; percentiles of several histograms come from merging, never from means.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from hdrh.histogram import HdrHistogram

from harness.errors import UsageError

SCHEMA = 1
LIMIT_US = 3_600_000_000
DIGITS = 3
_NS_PER_US = 1_000


class Histogram:
    """Durations of one kind."""

    def __init__(self) -> None:
        self._counts: Any = HdrHistogram(1, LIMIT_US, DIGITS)
        self.clipped = 0

    @property
    def count(self) -> int:
        """Durations recorded."""
        return int(self._counts.total_count)

    def record(self, duration_ns: int) -> None:
        """Count one duration; below 0 counts as 0, above one hour as clipped."""
        value_us = max(0, duration_ns) // _NS_PER_US
        if value_us > LIMIT_US:
            self.clipped += 1
            value_us = LIMIT_US
        self._counts.record_value(value_us)

    def percentile_ms(self, percent: float) -> float | None:
        """Milliseconds that ``percent`` of the durations do not exceed; None when empty."""
        if not self.count:
            return None
        return float(self._counts.get_value_at_percentile(percent)) / 1_000

    def max_ms(self) -> float | None:
        """The longest duration in milliseconds, to 3 digits; None when empty."""
        return float(self._counts.get_max_value()) / 1_000 if self.count else None

    def encode(self) -> str:
        """Write the counts as the base64 text that HdrHistogram tools read."""
        text: bytes = self._counts.encode()
        return text.decode("ascii")

    @classmethod
    def decode(cls, text: str, *, clipped: int = 0) -> "Histogram":
        """Read what `encode` wrote."""
        histogram = cls()
        if text:
            histogram._counts.decode_and_add(text.encode("ascii"))
        histogram.clipped = clipped
        return histogram


def save(histograms: Mapping[str, Histogram]) -> bytes:
    """Write named histograms as one JSON document."""
    entries = {
        name: {"count": h.count, "clipped": h.clipped, "hlog": h.encode() if h.count else ""}
        for name, h in histograms.items()
    }
    return msgspec.json.encode({"schema": SCHEMA, "unit": "us", "histograms": entries})


def load(data: bytes, *, source: str) -> dict[str, Histogram]:
    """Read what `save` wrote.

    Raises:
        UsageError: another schema, or counts that do not add up.
    """
    try:
        document = msgspec.json.decode(data)
        if document["schema"] != SCHEMA:
            raise UsageError(f"{source} has schema {document['schema']}; known: {SCHEMA}")
        found = {}
        for name, entry in document["histograms"].items():
            found[name] = Histogram.decode(entry["hlog"], clipped=entry["clipped"])
            if found[name].count != entry["count"]:
                raise UsageError(f"{source}: {name} holds {found[name].count} of {entry['count']}")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{source} is no file of histograms: {error!r}") from error
    return found
