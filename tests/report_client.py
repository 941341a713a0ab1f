"""A run's behaviour as a customer of the LLM, for the tests of the pages."""

from harness.results import ClientBehaviour


def client_of_run(limited: float) -> ClientBehaviour:
    """Manners of a client that was early twice, if it was limited at all."""
    return ClientBehaviour(
        requests_count=10_168 + round(limited * 90),
        limited_count=round(limited * 90),
        limited_ratio=limited * 90 / (10_168 + limited * 90),
        retried_count=round(limited * 90),
        early_count=2 if limited else 0,
        non_retryable_retried_count=0,
        storm_count=0,
        no_backoff_count=0,
        requests_per_used_step=1.016,
        sdk_requests_per_used_step=0.0,
        engine_requests_per_used_step=1.016,
        herd_ratio=0.21 if limited else 0.0,
        herd_chance_ratio=0.04 if limited else 0.0,
        goodput_quota_ratio=0.61 if limited else None,
    )
