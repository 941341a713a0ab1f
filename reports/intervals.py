"""Intervals of 95 % for means over time, by batch means. Pure.

Neighbouring bins of a rate are not independent, so whole batches of them are compared, and their
spread says how far the mean could lie from that of a longer run under the same load.
"""

import math

BATCHES_MIN = 4
"""Fewer say nothing about their spread."""
BATCH_BINS = 5
STUDENT_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Two-sided 95 % quantile by degrees of freedom, from 1; beyond 30 the normal one."""
NOTE = (
    f"Intervals are of 95 %, by batch means of {BATCH_BINS} bins and Student's t, "
    f"where there are {BATCHES_MIN} batches or more."
)


def mean_range(values: list[float]) -> tuple[float, float] | None:
    """The interval of the mean of a rate in bins, never below 0; None with too few bins.

    A remainder that fills no batch counts for the mean but not for the spread.

    Source: Law, Simulation Modeling and Analysis, 5th edition, 9.5.3.
    """
    batches = [
        sum(values[at : at + BATCH_BINS]) / BATCH_BINS
        for at in range(0, len(values) - BATCH_BINS + 1, BATCH_BINS)
    ]
    if len(batches) < BATCHES_MIN:
        return None
    centre = sum(batches) / len(batches)
    variance = sum((one - centre) ** 2 for one in batches) / (len(batches) - 1)
    freedom = len(batches) - 1
    factor = STUDENT_T[freedom - 1] if freedom <= len(STUDENT_T) else 1.96
    half = factor * math.sqrt(variance / len(batches))
    mean = sum(values) / len(values)
    return max(0.0, mean - half), mean + half
