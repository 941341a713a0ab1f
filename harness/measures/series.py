"""Series: counts per bin over the run, for the throughput picture."""

import numpy as np

from harness.clock import NS_PER_S
from harness.history import NONE, Evidence, Flags, Ints, Kind, RequestOutcome
from harness.results import Series

BINS_MAX = 600
"""Points of a curve; longer runs get wider bins."""
_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


def load_begin_ns(evidence: Evidence) -> int:
    """The begin of the load: its mark, else the first request; 0 when there is neither."""
    if "load" in evidence.phases:
        return evidence.phases["load"]
    return int(evidence.requests.begin_ns[0]) if evidence.requests.count else 0


def series_of(evidence: Evidence, *, bin_s: float | None = None) -> Series:
    """Count answers, starts, ends and limits per bin; seconds after the begin of the load.

    Without ``bin_s`` the bin is one second, or what keeps the curve under 600 points.
    """
    begin_ns = load_begin_ns(evidence)
    requests, starts = evidence.requests, evidence.starts
    has_ended = requests.end_seq != NONE
    is_answered = (
        (requests.kind == Kind.STEP) & (requests.outcome == RequestOutcome.ANSWERED) & has_ended
    )
    answered = requests.end_ns[is_answered]
    limited = requests.end_ns[(requests.outcome == RequestOutcome.LIMITED) & has_ended]
    started = starts.accepted_ns[starts.accepted_ns != NONE]
    ended = starts.ended_ns[starts.ended_ns != NONE]
    last_ns = max(
        (int(times.max()) for times in (answered, limited, started, ended) if len(times)),
        default=begin_ns,
    )
    span_s = max(last_ns - begin_ns, 0) / NS_PER_S
    width_s = float(bin_s or _width_s(span_s))
    bins = min(int(span_s / width_s) + 1, 100 * BINS_MAX)

    def per_bin(times: Ints) -> Ints:
        place = ((times - begin_ns) / (width_s * NS_PER_S)).astype(np.int64)
        kept: Flags = (place >= 0) & (place < bins)
        return np.bincount(place[kept], minlength=bins).astype(np.int64)

    started_per_bin, ended_per_bin = per_bin(started), per_bin(ended)
    return Series(
        bin_s=width_s,
        start_s=tuple(float(place * width_s) for place in range(bins)),
        steps_per_s=_rates(per_bin(answered), width_s),
        ended_per_s=_rates(ended_per_bin, width_s),
        started_per_s=_rates(started_per_bin, width_s),
        limited_per_s=_rates(per_bin(limited), width_s),
        running=_rates(np.cumsum(started_per_bin - ended_per_bin), 1.0),
    )


def _width_s(span_s: float) -> int:
    return next((width for width in _WIDTHS_S if span_s / width < BINS_MAX), _WIDTHS_S[-1])


def _rates(counts: Ints, width_s: float) -> tuple[float, ...]:
    return tuple((counts / width_s).tolist())
