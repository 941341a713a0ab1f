"""The tables of a capacity report; what each says is decided here, once for every form. Pure."""

from collections.abc import Sequence

from harness.capacity.record import FREE, CapacityResult, Level, Row, Share
from harness.capacity.usl import Estimate
from reports import wording
from reports.compare import State
from reports.tables import Head, Table, Value, number, text
from reports.wording import NONE, decimal, milliseconds, percent, seconds

SIDES = {"free": "no quota", "quota": "quota", "fault": "pods killed"}
ANSWERS = (
    Head(text="Question"),
    Head(text="Answer", is_number=True),
    Head(text="From what", is_long=True),
)


def state_of(result: CapacityResult) -> State:
    """Stated, or unknown."""
    return State.UNKNOWN if result.exit_code else State.VALID


def told(one: Estimate, unit: str = "") -> Value:
    """A number with its interval, or a dash; the reason stands beside."""
    if one.value is None:
        return Value(text=NONE, sort=-1.0, tone="warn")
    return number(
        f"{decimal(one.value)}{unit}", one.value, doubt=f"{decimal(one.low)} to {decimal(one.high)}"
    )


def answers(result: CapacityResult) -> Table:
    """The first table: a question a row."""
    curve = result.scalability
    rows: list[tuple[Value, ...]] = [
        _answer("agents a second, no quota", result.capacity),
        _answer(
            f"agents a second with p99 within {seconds(result.slo_s)}",
            result.at_slo,
            f"; {result.slo_source}",
        ),
        *(
            (
                text(f"knee: {knee.name}"),
                Value(text=NONE, sort=-1.0, tone="warn")
                if knee.at_per_s is None
                else number(f"{decimal(knee.at_per_s)}/s", knee.at_per_s),
                text(knee.text if knee.at_per_s is not None else knee.reason),
            )
            for knee in result.knees
        ),
        _answer("knee: agents in flight at the curve's peak", curve.peak_concurrency),
    ]
    rows += [
        (text(f"what binds, {SIDES[one.side]}"), text(one.what or NONE), text(one.text))
        for one in result.bindings
    ]
    rows += [_plain(row) for row in result.node]
    if result.fault:
        rows += _fault(result)
    return Table(
        key="answers",
        caption="The answer",
        head=ANSWERS,
        rows=tuple(rows),
        note=f"The knees: {result.knees_text}. Intervals are of 95 % unless a row says otherwise.",
    )


def _answer(name: str, one: Estimate, more: str = "") -> tuple[Value, ...]:
    return (text(name), told(one), text(one.reason + more))


def _plain(row: Row) -> tuple[Value, ...]:
    return (text(row.name), Value(text=row.value, sort=0.0), text(row.text))


def _fault(result: CapacityResult) -> list[tuple[Value, ...]]:
    fault = result.fault
    assert fault is not None
    where = f"{wording.counted(fault.kills_count, 'pod')} killed at {fault.offered_per_s:g}/s"
    return [
        (
            text("cost of failure: victims resume after"),
            Value(
                text=f"{seconds(fault.resume_s_p50)}",
                doubt=f"at most {seconds(fault.resume_s_max)}",
            ),
            text(f"median; {where}"),
        ),
        (
            text("cost of failure: ended a second while a pod was down"),
            number(decimal(fault.during_per_s), fault.during_per_s)
            if fault.during_per_s >= 0
            else text(NONE),
            text(f"{fault.offered_per_s:g}/s offered; from strike to health seen again"),
        ),
        (
            text("cost of failure: repeated calls"),
            number(percent(fault.repeats_ratio), fault.repeats_ratio),
            text(f"of the executed LLM calls; {where}"),
        ),
        (
            text("headroom: a node's outage has drained after"),
            told(fault.drain_s, " s"),
            text(
                f"{fault.drain_s.reason}; an outage of {seconds(fault.outage_s_max)}, as measured"
            ),
        ),
    ]


def levels_table(result: CapacityResult) -> Table | None:
    """Every level that ran, whatever it is worth."""
    if not result.levels:
        return None
    return Table(
        key="levels",
        caption="Levels of offered load",
        head=(
            Head(text="Load"),
            Head(text="Offered/s", is_number=True),
            Head(text="Sent/s", is_number=True),
            Head(text="Ended/s", is_number=True),
            Head(text="Goodput/s", is_number=True),
            Head(text="In flight", is_number=True),
            Head(text="p50", is_number=True),
            Head(text="p99", is_number=True),
            Head(text="Agents", is_number=True),
            Head(text="429", is_number=True),
            Head(text="Late p99", is_number=True),
            Head(text="Machine", is_number=True),
            Head(text="Others", is_number=True),
            Head(text="Little's law"),
            Head(text="State"),
        ),
        rows=tuple(_level(level, result) for level in result.levels),
        is_sortable=True,
        note="Measured from the end of its settling to the last arrival; times from the intended "
        "start. Offered is what arrived in that window. Machine and others in cores, of "
        f"{result.cores}. Below 100 agents p99 is close to the slowest. Little's law compares "
        "agents in flight, as sampled, with ended/s x mean time, and shows the error beside its "
        "tolerance.",
    )


def _level(level: Level, result: CapacityResult) -> tuple[Value, ...]:
    name = text(f"{SIDES.get(level.side, level.side)} {level.offered_per_s:g}/s")
    if level.trouble:
        blank = [text(NONE)] * 12
        return (name, *blank, text(NONE), text(f"void: {level.trouble}", tone="bad"))
    is_good = 0 < level.agent_ms_p99 <= result.slo_s * 1000 and not level.is_saturated
    return (
        name,
        number(decimal(level.arrived_per_s), level.arrived_per_s),
        number(decimal(level.sent_per_s), level.sent_per_s),
        told(level.throughput),
        number(decimal(level.goodput_per_s), level.goodput_per_s),
        number(decimal(level.in_flight_mean), level.in_flight_mean),
        number(milliseconds(level.agent_ms_p50), level.agent_ms_p50),
        number(milliseconds(level.agent_ms_p99), level.agent_ms_p99, tone="" if is_good else "bad"),
        number(wording.count(level.agents_count), level.agents_count),
        number(percent(level.limited_ratio), level.limited_ratio),
        number(milliseconds(level.lateness_ms_p99), level.lateness_ms_p99),
        number(f"{level.machine_cores:.2f}", level.machine_cores),
        number(f"{level.others_cores:.2f}", level.others_cores),
        _little(level),
        _level_state(level, is_good=is_good),
    )


def _little(level: Level) -> Value:
    check = level.little
    if check is None or check.state == "unchecked":
        return text("not checked", tone="muted")
    sign, tone = ("✓", "good") if check.state == "holds" else ("✗", "bad")
    return Value(
        text=f"{sign} {check.state}",
        tone=tone,
        doubt=f"{check.error_ratio:+.1%}, may be {check.tolerance_ratio:.0%}",
    )


def _level_state(level: Level, *, is_good: bool) -> Value:
    if level.is_generator_full:
        return text("? harness full", tone="warn")
    if level.is_saturated:
        return text("✗ saturated", tone="bad")
    return text("✓ follows", tone="good") if is_good else text("△ follows, misses p99", tone="warn")


def little_failures(result: CapacityResult) -> Table | None:
    """What Little's law says where it fails."""
    failed = [level for level in result.levels if level.little and level.little.state == "fails"]
    if not failed:
        return None
    return Table(
        key="little",
        caption="Where Little's law fails",
        head=(Head(text="Load"), Head(text="Why", is_long=True)),
        rows=tuple(
            (
                text(f"{SIDES.get(level.side, level.side)} {level.offered_per_s:g}/s"),
                text(level.little.text if level.little else ""),
            )
            for level in failed
        ),
        note="Latencies of a level without a steady state are those of a growing queue: a longer "
        "run of it would show longer ones.",
    )


def shares_tables(result: CapacityResult) -> tuple[Table, ...]:
    """Each resource against its own ceiling, at the most throughput of each side."""
    return tuple(
        Table(
            key=f"binds-{one.side}",
            caption=f"What binds at {decimal(one.at_per_s)} agents/s, {SIDES[one.side]}",
            head=(
                Head(text="Resource"),
                Head(text="Used", is_number=True),
                Head(text="Its ceiling", is_number=True),
                Head(text="Share", is_number=True),
                Head(text="What it is", is_long=True),
            ),
            rows=tuple(_share(share, one.what) for share in one.shares),
            is_sortable=True,
            note="The ceiling of a process of one thread is one core; that of a kind with several "
            "processes a core each, or the machine.",
        )
        for one in result.bindings
    )


def _share(share: Share, what: str) -> tuple[Value, ...]:
    is_it = share.name == what
    return (
        text(f"▶ {share.name}" if is_it else share.name, tone="bad" if is_it else ""),
        number(f"{share.used:.2f} {share.unit}", share.used),
        number(f"{share.ceiling:.2f}", share.ceiling),
        number(percent(share.ratio), share.ratio, tone="bad" if is_it else ""),
        text(share.text),
    )


def usage_table(result: CapacityResult) -> Table | None:
    """CPU of every kind of process at every level, in cores."""
    counted = [level for level in result.levels if level.used]
    if not counted:
        return None
    kinds = sorted({one.kind for level in counted for one in level.used})
    return Table(
        key="usage",
        caption="CPU by kind of process, cores",
        head=(
            Head(text="Load"),
            *(Head(text=kind, is_number=True) for kind in kinds),
            Head(text="calls/agent", is_number=True),
            Head(text="tokens/agent", is_number=True),
            Head(text="Peak memory", is_number=True),
        ),
        rows=tuple(_usage(level, kinds) for level in counted),
        is_sortable=True,
        note="Driver, witness (the mock LLM) and harness are ours; the engine needs all others.",
    )


def _usage(level: Level, kinds: Sequence[str]) -> tuple[Value, ...]:
    used = {one.kind: one.cores for one in level.used}
    tokens = level.prompt_tokens_per_agent + level.completion_tokens_per_agent
    return (
        text(f"{SIDES.get(level.side, level.side)} {level.offered_per_s:g}/s"),
        *(number(f"{used.get(kind, 0.0):.3f}", used.get(kind, 0.0)) for kind in kinds),
        number(decimal(level.calls_per_agent), level.calls_per_agent),
        number(wording.count(tokens), tokens),
        number(wording.megabytes(level.rss_mb), level.rss_mb),
    )


def scalability_table(result: CapacityResult) -> Table:
    """The fitted curve."""
    curve = result.scalability
    rows = [
        _answer("rate of one agent in flight, agents/s", curve.rate),
        _answer("contention", curve.contention),
        _answer("coherency", curve.coherency),
        _answer("most throughput inside the measured range, agents/s", curve.peak_per_s),
        _answer("agents in flight at the peak", curve.peak_concurrency),
    ]
    note = (
        f"Relative error of the fit {percent(curve.error_ratio)}. Nothing is said beyond "
        f"{curve.reach:.0f} agents in flight, twice what was measured. An engine with a hard limit "
        "bends more sharply than this law can; its capacity is in the first table."
        if curve.curve
        else ""
    )
    return Table(
        key="scalability",
        caption="Universal Scalability Law, no quota",
        head=ANSWERS,
        rows=tuple(rows),
        note=note,
    )


def quota_table(result: CapacityResult) -> Table | None:
    """The quota in closed form, beside what was reached."""
    quota = result.quota
    if quota is None:
        return None
    limits = [
        (name, value)
        for name, value in (
            ("requests a minute", quota.requests_per_min),
            ("tokens a minute", quota.tokens_per_min),
        )
        if value is not None
    ]
    rows = [(text(name), number(wording.count(value), value), text("")) for name, value in limits]
    rows += [
        (
            text("allows at most, agents/s"),
            number(
                decimal(quota.ceiling_per_s),
                quota.ceiling_per_s,
                doubt=f"{decimal(quota.floor_per_s)} if refusals cost a request",
            ),
            text(
                f"{decimal(quota.calls_per_agent)} calls and "
                f"{wording.count(quota.tokens_per_agent)} charged tokens an agent; {quota.text}"
            ),
        ),
        (text("reached, agents/s"), told(quota.measured), text(quota.measured.reason)),
    ]
    return Table(
        key="quota",
        caption="The quota, in closed form and measured",
        head=ANSWERS,
        rows=tuple(rows),
    )


def rows_table(key: str, caption: str, rows: Sequence[Row]) -> Table | None:
    """Plain rows."""
    if not rows:
        return None
    return Table(key=key, caption=caption, head=ANSWERS, rows=tuple(_plain(row) for row in rows))


def skipped_table(result: CapacityResult) -> Table | None:
    """Levels that were not run."""
    if not result.skipped:
        return None
    return Table(
        key="skipped",
        caption="Levels left out",
        head=(
            Head(text="Load"),
            Head(text="Offered/s", is_number=True),
            Head(text="Why", is_long=True),
        ),
        rows=tuple(
            (
                text(SIDES.get(one.side, one.side)),
                number(decimal(one.offered_per_s), one.offered_per_s),
                text(one.reason),
            )
            for one in result.skipped
        ),
    )


def tables_of(result: CapacityResult) -> tuple[tuple[str, tuple[Table, ...]], ...]:
    """All tables below the answer, by heading."""
    groups: tuple[tuple[str, tuple[Table | None, ...]], ...] = (
        ("Levels", (levels_table(result), little_failures(result), skipped_table(result))),
        ("What binds", (*shares_tables(result), usage_table(result))),
        ("Scalability", (scalability_table(result),)),
        ("Quota", (quota_table(result),)),
        (
            "What to buy",
            (
                rows_table("purchase", "Nodes and quota", result.purchase),
                rows_table("costs", "Cost of 1,000 agents", result.costs),
            ),
        ),
    )
    return tuple(
        (title, kept)
        for title, tables in groups
        if (kept := tuple(table for table in tables if table is not None))
    )


def free_levels(result: CapacityResult) -> list[Level]:
    """Levels without a quota that can be drawn."""
    return [level for level in result.levels if level.side == FREE and not level.trouble]
