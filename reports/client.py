"""How the engine treated the LLM: its manners under limits, and its requests for each answer.

No promise rests on it. A figure about limits is shown only where there were some.
"""

from harness.results import ClientBehaviour, RunResult
from reports.tables import Head, Table, Value, number, text
from reports.wording import count, percent

LIMITED_RATIO_MIN = 0.1
"""With fewer limited requests the manners under limits say little, and the note says so."""


def client_table(run: RunResult) -> Table | None:
    """The figures with what they mean; None for a run without requests."""
    found = run.client
    if found is None or not found.requests_count:
        return None
    rows = [
        *_price(found),
        *(_manners(found) if found.limited_count or found.non_retryable_retried_count else ()),
    ]
    is_thin = 0 < found.limited_ratio < LIMITED_RATIO_MIN
    return Table(
        key="client",
        caption="How the engine treated the LLM",
        head=(
            Head(text="What"),
            Head(text="Figure", is_number=True),
            Head(text="Meaning", is_long=True),
        ),
        rows=tuple(rows),
        note=(
            f"Only {percent(found.limited_ratio)} of the requests were limited: too few to say "
            "much about manners."
            if is_thin
            else ""
        ),
    )


def _price(found: ClientBehaviour) -> list[tuple[Value, ...]]:
    return [
        (
            text("requests per used answer"),
            number(f"{found.requests_per_used_step:.3f}", found.requests_per_used_step),
            text("429 answers included; 1 is the least"),
        ),
        (
            text("of these, by the SDK"),
            number(f"{found.sdk_requests_per_used_step:.3f}", found.sdk_requests_per_used_step),
            text("its own retries, told by x-stainless-retry-count"),
        ),
        (
            text("of these, by the engine"),
            number(
                f"{found.engine_requests_per_used_step:.3f}", found.engine_requests_per_used_step
            ),
            text("first tries, and repeats by the engine"),
        ),
    ]


def _manners(found: ClientBehaviour) -> list[tuple[Value, ...]]:
    def breach(title: str, value: int, meaning: str) -> tuple[Value, ...]:
        return (
            text(title),
            number(count(value), value, tone="bad" if value else "good"),
            text(meaning),
        )

    rows = [
        (
            text("limited"),
            number(percent(found.limited_ratio), found.limited_ratio),
            text(f"{count(found.limited_count)} of {count(found.requests_count)} requests"),
        ),
        breach(
            "early retries",
            found.early_count,
            f"of {count(found.retried_count)} tries again, before Retry-After was over",
        ),
        breach(
            "retried in vain",
            found.non_retryable_retried_count,
            "after an answer that no waiting helps against",
        ),
        breach("storms", found.storm_count, "answers tried more than 10 times within 5 s"),
        breach(
            "no backoff",
            found.no_backoff_count,
            "3 refusals in a row, whose waits neither grew nor obeyed",
        ),
        (
            text("herd index"),
            number(percent(found.herd_ratio), found.herd_ratio),
            text(
                "of the tries again, within 50 ms of another agent's; "
                f"{percent(found.herd_chance_ratio)} by chance"
            ),
        ),
    ]
    if found.goodput_quota_ratio is not None:
        rows.append(
            (
                text("goodput / quota"),
                number(percent(found.goodput_quota_ratio), found.goodput_quota_ratio),
                text("used answers, of the requests that the quota allows"),
            )
        )
    return rows
