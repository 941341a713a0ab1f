"""How long a million agents take: one process, one core, a quota and kills among them.

    python -m benchmarks.simulate --agents 1000000

Service times are those that a real run of Dapr Workflow measured (docs/simulation.md); CPU seconds
are those of this process, memory is its largest resident size.
"""

import argparse
import resource
import time
from dataclasses import replace

from harness.simulation.outcome import outcome_of
from harness.simulation.settings import Kill, Settings, Station, capacity_per_s, checked
from harness.simulation.walk import simulate

LLM_MS = (180.0, 350.0, 430.0, 509.0, 600.0, 750.0, 1400.0)


def settings_of(agents: int) -> Settings:
    """Forty pods at seven tenths of what they can do, a quota just above that, ten kills."""
    one = Settings(
        agents=agents,
        steps=5,
        pods=40,
        rate_per_s=1.0,
        llm_ms=LLM_MS,
        worker=Station(ms=6.45),
        sidecar=Station(ms=5.37, servers=2),
        shared=Station(ms=5.16, servers=40),
        wait_ms=7.0,
        restart_ms=2000.0,
        recovery_ms=2000.0,
        moves=True,
    )
    rate = 0.7 * capacity_per_s(one)[0]
    kills = tuple(Kill(at_s=agents / rate * part / 11, pod=part) for part in range(1, 11))
    full = replace(
        one,
        rate_per_s=rate,
        requests_per_min=round(rate * one.steps * 60 * 1.05),
        burst=1 / 3000,
        kills=kills,
    )
    return checked(full, source="benchmark")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--agents", type=int, default=1_000_000)
    settings = settings_of(parser.parse_args().agents)
    before_s, began_s = time.process_time(), time.perf_counter()
    trace = simulate(settings, 1)
    outcome = outcome_of(settings, trace, 1)
    cpu_s, wall_s = time.process_time() - before_s, time.perf_counter() - began_s
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{settings.agents:,} agents of {settings.steps} calls, {settings.pods} pods: "
        f"{cpu_s:.1f} s of CPU, {wall_s:.1f} s by the clock, {memory:.0f} MiB at most; "
        f"{trace.events_count:,} events, {outcome.span_s:,.0f} s simulated in steps of "
        f"{outcome.tick_ms:.0f} ms, {outcome.late_ratio:.3%} of the events late; "
        f"{outcome.agents_per_s:.0f} agents/s, {outcome.refused_ratio:.2%} refused, "
        f"{outcome.wasted_count} calls wasted by {outcome.kills_count} kills"
    )


if __name__ == "__main__":
    main()
