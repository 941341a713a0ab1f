"""Who has an event in which time step: groups of agents by the number of their window."""

from heapq import heappop, heappush

import numpy as np

from harness.history import Ints


class Calendar:
    """Events to come; an agent that was moved may stand in an old window, too."""

    def __init__(self) -> None:
        self._windows: dict[int, list[Ints]] = {}
        self._order: list[int] = []

    def put(self, agents: Ints, windows: Ints) -> None:
        """Note agents, each for its window."""
        order = np.argsort(windows, kind="stable")
        agents, windows = agents[order], windows[order]
        cuts = np.flatnonzero(windows[1:] != windows[:-1]) + 1
        begins = [0, *cuts.tolist()]
        ends = [*begins[1:], len(agents)]
        for begin, end, window in zip(begins, ends, windows[begins].tolist(), strict=True):
            self.put_all(agents[begin:end], window)

    def put_all(self, agents: Ints, window: int) -> None:
        """Note agents for one window."""
        if not len(agents):
            return
        found = self._windows.get(window)
        if found is None:
            self._windows[window] = [agents]
            heappush(self._order, window)
        else:
            found.append(agents)

    def first(self) -> int | None:
        """The first window with an event; None when nothing is left."""
        return self._order[0] if self._order else None

    def take(self, window: int) -> Ints:
        """Take the agents of the first window, each once, in order of their number."""
        if not self._order or self._order[0] != window:
            return np.zeros(0, np.int64)
        heappop(self._order)
        agents = np.sort(np.concatenate(self._windows.pop(window)))
        found: Ints = agents[np.append(True, agents[1:] != agents[:-1])]
        return found
