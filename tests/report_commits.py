"""What the engine's own history says in a made-up run, for tests of reports."""

from harness.results import Distribution, EngineCommits


def commits_of_run(*, struck: int, reason: str = "") -> EngineCommits:
    """A run in which so many agents were struck; with a reason no figure was to be had."""
    return EngineCommits(
        reason=reason,
        bound="12 agents were left out" if struck > 1 else "",
        chosen_count=struck * 40,
        read_count=struck * 40 - (12 if struck > 1 else 0),
        commits_count=struck * 360,
        before_count=struck * 21,
        after_count=struck * 2,
        unordered_count=struck * 5,
        unread_count=0,
        stamp_ms=1.0,
        drift_ms=0.2,
        lag=Distribution(
            name="commit lag",
            count=struck * 360,
            ms_p50=14.2,
            ms_p95=61,
            ms_p99=120,
            ms_max=3400,
        ),
        lag_certain=Distribution(
            name="commit lag, certain",
            count=struck * 360,
            ms_p50=21.8,
            ms_p95=83,
            ms_p99=160,
            ms_max=3500,
        ),
    )
