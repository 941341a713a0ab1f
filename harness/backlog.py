"""When an engine that has more agents than it can serve at once still works through them.

Agents that wait their turn in an overloaded engine are late, not stuck. So the time of promise L
runs from the last moment at which the engine worked through its load, too: the last step done for
the first time that ends ten seconds with at least twenty steps and a quarter of the best ten
seconds of the run. What trickles, what stands still and what is repeated over and over is no work.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from harness.clock import NS_PER_S

WINDOW_S = 10
SHARE_MIN = 0.25
"""Of the best window of the run."""
STEPS_MIN = 20
"""In a window; fewer are single agents that were late."""

NONE = -1


def last_work_ns(begin_ns: NDArray[np.int64], is_first: NDArray[np.bool_], since_ns: int) -> int:
    """Last moment after ``since_ns`` at which the engine worked through its load; NONE without.

    Both arrays have shape (n,), a row each executed LLM request in any order: when it began, and
    whether it was the first one of its step. Repeats count in the best window only.
    """
    best = int(_in_window(np.sort(begin_ns)).max(initial=0))
    new = np.sort(begin_ns[is_first])
    is_work = _in_window(new) >= max(best * SHARE_MIN, STEPS_MIN)
    return int(new[is_work & (new > since_ns)].max(initial=NONE))


def _in_window(times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the sorted times lie in the window that ends at each of them."""
    from_row = np.searchsorted(times_ns, times_ns - WINDOW_S * NS_PER_S, side="right")
    return np.searchsorted(times_ns, times_ns, side="right") - from_row


class Backlog:
    """The same, of a run under way, from counts of answered steps; repeats count too."""

    def __init__(self) -> None:
        self.worked_ns = 0
        """When the engine last was seen to work through its load."""
        self._seen: deque[tuple[int, int]] = deque()
        self._best = 0

    def look(self, now_ns: int, answered_steps: int) -> None:
        """Take the count of a moment; moments come in order."""
        self._seen.append((now_ns, answered_steps))
        while self._seen[0][0] <= now_ns - WINDOW_S * NS_PER_S and len(self._seen) > 1:
            self._seen.popleft()
        count = answered_steps - self._seen[0][1]
        self._best = max(self._best, count)
        is_new = len(self._seen) > 1 and answered_steps > self._seen[-2][1]
        if is_new and count >= max(self._best * SHARE_MIN, STEPS_MIN):
            self.worked_ns = now_ns
