"""S1: see CommittedOnce."""

import numpy as np

from harness.checkers.found import Found, Scan, of_agents, of_cells
from harness.checkers.judgement import PromiseChecker
from harness.history import NONE, Evidence, Flags, Ints
from harness.measures.exposure import NEVER, first_on_caller
from harness.measures.lineage import Graph, reach, tips_of
from harness.measures.portion import Portion
from harness.measures.repeats import repeated_of


class CommittedOnce(PromiseChecker):
    """S1: of each step exactly one result is in the lineage of the outcome (exactly-once commit).

    Evidence: the outcome marks of completed agents, walked back by attempt marks through what each
    request carried; and every `last` answer, for forks. Agents that failed have no outcome and are
    not judged. Cannot see: commits that no later request and no outcome shows; with stable answers,
    which carry no marks, nothing.
    """

    promise = "S1"
    counted = "steps of completed agents"

    def scan(self, portion: Portion) -> Scan:
        """See PromiseChecker."""
        is_judged = _is_completed(portion)[portion.cells.agent - portion.agent_from]
        met = portion.interrupted.cell
        lost, hidden = lost_step(portion)
        return Scan(
            checked=int(np.count_nonzero(is_judged[: portion.cells.planned])),
            exposed=int(np.count_nonzero(is_judged[met])),
            interrupted=len(met),
            not_judged=hidden,
            found=(
                double_commit(portion),
                lost,
                false_terminal(portion),
                forked_lineage(portion),
                forked_outcome(portion),
                duplicate_start(portion),
            ),
        )

    def lacks(self, evidence: Evidence, scan: Scan) -> str:
        """See PromiseChecker."""
        requests = evidence.requests
        if requests.is_executed.any() and not (requests.mark != NONE).any():
            return "answers carried no attempt marks (stable answers)"
        return super().lacks(evidence, scan)


def lost_step(portion: Portion) -> tuple[Found, int]:
    """Required steps that an outcome does not rest on, though its lineage builds on them.

    The second value counts steps before a lost one, which nothing links to the outcome any more.
    Steps that ran only after the outcome make a false-terminal instead.
    """
    cells, ends = portion.cells, portion.ends
    missing = _required(portion) & ~_in_lineage(portion)
    successor, predecessor = _edges(portion)
    is_linked = np.zeros(cells.planned, np.bool_)
    is_linked[predecessor[_in_lineage(portion)[successor]]] = True
    is_linked |= cells.is_last[: cells.planned]
    agent = cells.agent[: cells.planned] - portion.agent_from
    began = portion.first_seq[: cells.planned]
    ran_late = (began > ends.seq[agent]) & (began != NEVER)
    lost = np.flatnonzero(missing & is_linked & ~ran_late)
    found = of_cells("lost-step", portion, lost, first=began[lost], outcome=ends.seq[agent[lost]])
    return found, int(np.count_nonzero(missing & ~is_linked))


def double_commit(portion: Portion) -> Found:
    """Steps of which an outcome rests on more than one attempt; the first two prove it."""
    rows = portion.by_cell[portion.lineage[portion.by_cell]]
    cell = portion.cells.of_request[rows]
    place = np.flatnonzero(cell[1:] == cell[:-1]) + 1
    twice, first = np.unique(cell[place], return_index=True)
    began = portion.requests.begin_seq
    return of_cells(
        "double-commit",
        portion,
        twice,
        before=began[rows[place[first] - 1]],
        again=began[rows[place[first]]],
        outcome=portion.ends.seq[portion.cells.agent[twice] - portion.agent_from],
    )


def false_terminal(portion: Portion) -> Found:
    """Agents that completed without an outcome that anybody answered, or before a step had run."""
    cells, ends = portion.cells, portion.ends
    is_empty = (ends.seq != NEVER) & (ends.row == NONE)
    began = portion.first_seq[: cells.planned]
    agent = cells.agent[: cells.planned] - portion.agent_from
    late = np.flatnonzero(_required(portion) & (began > ends.seq[agent]) & (began != NEVER))
    ran = np.full(portion.agents_count, NEVER, np.int64)
    np.minimum.at(ran, agent[late], began[late])
    at = np.flatnonzero(is_empty | (ran != NEVER))
    return of_agents("false-terminal", at + portion.agent_from, outcome=ends.seq[at], first=ran[at])


def forked_lineage(portion: Portion) -> Found:
    """Two last answers of one agent that rest on different attempts, the first one's giver alive.

    Where a fault struck the giver of the first between the two, the second tip is a resume that
    forgot: S2 judges that.
    """
    requests, cells = portion.requests, portion.cells
    tips = tips_of(requests, cells, portion.graph, portion.executed)
    one, two = tips.row[:-1], tips.row[1:]
    is_fork = (requests.agent[one] == requests.agent[two]) & (tips.digest[:-1] != tips.digest[1:])
    one, two = one[is_fork], two[is_fork]
    began = requests.begin_seq
    caller = requests.caller[one].astype(np.int64)
    is_alive = first_on_caller(portion.faults, caller, began[one], began[two]) == NONE
    one, two = one[is_alive], two[is_alive]
    cell = cells.of_request[two]
    return of_cells("forked-lineage", portion, cell, tip=began[one], again=began[two])


def forked_outcome(portion: Portion) -> Found:
    """Agents whose outcome was read twice and was another answer the second time."""
    marks = portion.completed
    order = np.lexsort((marks.seq, marks.agent))
    agent, seq = marks.agent[order], marks.seq[order]
    receipt, mark = marks.receipt[order], marks.mark[order]
    is_other = (receipt[1:] != receipt[:-1]) | (mark[1:] != mark[:-1])
    place = np.flatnonzero((agent[1:] == agent[:-1]) & is_other) + 1
    return of_agents(
        "forked-lineage", agent[place].astype(np.int64), tip=seq[place - 1], again=seq[place]
    )


def duplicate_start(portion: Portion) -> Found:
    """Agents with several driver POSTs that began again from the top, the first run being alive.

    Alive: no fault struck the incarnation that had run the first step before it was run again. Both
    results of the first step were used: one that nobody used was only repeated, which is S3's.
    """
    repeated = repeated_of(portion)
    is_used = np.zeros(portion.requests.count, np.bool_)
    for source in (portion.carried.source, portion.ends.row):
        is_used[source[source != NONE]] = True
    predecessors = np.diff(portion.expected.predecessor_start)
    is_root = np.zeros(portion.cells.count, np.bool_)
    is_root[: portion.cells.planned] = predecessors == 0
    agent = portion.cells.agent[repeated.cell]
    is_ours = (
        is_root[repeated.cell]
        & ~repeated.is_on_victim
        & is_used[repeated.before]
        & is_used[repeated.row]
        & (portion.evidence.starts.posts[agent] > 1)
    )
    again, first = np.unique(agent[is_ours], return_index=True)
    began = portion.requests.begin_seq
    return of_agents(
        "duplicate-start",
        again,
        before=began[repeated.before[is_ours][first]],
        again=began[repeated.row[is_ours][first]],
    )


def _is_completed(portion: Portion) -> Flags:
    """Agents with an outcome that somebody answered."""
    result: Flags = portion.ends.row != NONE
    return result


def _edges(portion: Portion) -> tuple[Ints, Ints]:
    """The plan's edges as (successor, predecessor) cells."""
    expected = portion.expected
    counts = np.diff(expected.predecessor_start)
    return np.repeat(np.arange(expected.count), counts), expected.predecessor


def _required(portion: Portion) -> Flags:
    """Planned cells that the outcome of their agent must rest on; none of agents without one."""
    expected = portion.expected
    _, predecessor = _edges(portion)
    is_built_on = expected.is_last.copy()
    is_built_on[predecessor] = True
    # When all rows but the last are built on, all lead to the last: no walk is needed.
    if not is_built_on.all():
        graph = Graph(start=expected.predecessor_start, target=expected.predecessor)
        is_built_on = reach(graph, np.flatnonzero(expected.is_last))
    result: Flags = is_built_on & _is_completed(portion)[expected.agent - portion.agent_from]
    return result


def _in_lineage(portion: Portion) -> Flags:
    """Planned cells with an attempt that the outcome rests on."""
    rows = portion.executed[portion.lineage[portion.executed]]
    cell = portion.cells.of_request[rows]
    found = np.zeros(portion.cells.count, np.bool_)
    found[cell] = True
    return found[: portion.cells.planned]
