"""Queues: many arrivals at once to their departures, first come, first served, exactly.

A batch is in the order of arrival; an arrival that is older than one of an earlier batch waits
behind it, and that is the only error of a time step here.

Source: Lindley (1952), whose recursion for one server is a running maximum.
"""

from heapq import heapreplace
from itertools import repeat

import numpy as np

from harness.history import Ints
from harness.simulation.draws import Draws
from harness.simulation.settings import Station, ns

_POD_SHIFT = 1 << 48
"""Above every time of a batch: 78 hours in nanoseconds."""


class Queues:
    """One station, at one or many pods."""

    def __init__(self, station: Station, *, count: int, place: int) -> None:
        self._count = count
        self._place = place
        self._servers = station.servers
        mean = ns(station.ms)
        self._least, self._spread = mean * (1 - station.cv), mean * station.cv
        self._free = np.zeros(count, np.int64)
        self._heaps = [[0] * station.servers for _ in range(count if station.servers > 1 else 0)]
        self._up_ns: dict[int, int] = {}
        self.busy_ns = 0
        """Time that servers worked."""

    def serve(self, draws: Draws, agents: Ints, phases: Ints, pods: Ints, at_ns: Ints) -> Ints:
        """Departures of a batch in order of arrival; ``pods`` are places in the queues."""
        if self._spread:
            service = -self._spread * np.log(draws.uniform(agents, phases, self._place))
            work = (service + self._least).astype(np.int64)
        else:
            work = np.full(len(agents), int(self._least), np.int64)
        self.busy_ns += int(work.sum())
        if self._heaps:
            return self._many(pods, at_ns, work)
        return self._single(pods, at_ns, work)

    def stop(self, pod: int, at_ns: int, until_ns: int) -> None:
        """A kill: what waits at the pod is gone, and it serves again from ``until_ns``."""
        free = self._heaps[pod] if self._heaps else [int(self._free[pod])]
        since = max(at_ns, self._up_ns.get(pod, 0))
        self.busy_ns -= sum(max(0, one - since) for one in free)
        self._up_ns[pod] = until_ns
        if self._heaps:
            self._heaps[pod] = [until_ns] * self._servers
        self._free[pod] = until_ns

    def pause(self, until_ns: int) -> None:
        """What is not being served yet waits until then, and keeps its place."""
        self._free = np.maximum(self._free, until_ns)
        self._heaps = [[max(one, until_ns) for one in heap] for heap in self._heaps]

    def _many(self, pods: Ints, at_ns: Ints, work: Ints) -> Ints:
        """Several servers: whose turn it is follows from the job before, one at a time."""
        found = []
        heaps = self._heaps
        queues = [heaps[pod] for pod in pods.tolist()] if self._count > 1 else repeat(heaps[0])
        for heap, at, took in zip(queues, at_ns.tolist(), work.tolist(), strict=False):
            free = heap[0]
            end = (at if at > free else free) + took
            heapreplace(heap, end)
            found.append(end)
        return np.array(found, np.int64)

    def _single(self, pods: Ints, at_ns: Ints, work: Ints) -> Ints:
        """One server: all pods by one running maximum, each shifted above the one before."""
        base = int(at_ns.min())
        order = np.argsort(pods, kind="stable") if self._count > 1 else np.arange(len(pods))
        pod, took = pods[order], work[order]
        at = at_ns[order] - base
        is_first = np.append(True, pod[1:] != pod[:-1])
        at[is_first] = np.maximum(at[is_first], self._free[pod[is_first]] - base)
        done = np.cumsum(took)
        shift = pod * _POD_SHIFT
        end = np.maximum.accumulate(at - (done - took) + shift) - shift + done + base
        is_last = np.append(is_first[1:], True)
        self._free[pod[is_last]] = end[is_last]
        found = np.empty_like(end)
        found[order] = end
        return found
