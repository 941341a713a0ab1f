"""Lineage: which attempts an outcome rests on, walked back by marks.

A request rests on the attempts whose receipts it carried; an outcome on the attempt whose receipt
it carries. The walk takes all agents of a portion a generation at a time.
"""

from dataclasses import dataclass

import numpy as np

from harness.history import NONE, Flags, Ints, Requests
from harness.measures.carried import Carried
from harness.measures.cells import Cells
from harness.measures.exposure import distinct, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Who rests on whom: row i rests on target[start[i]:start[i + 1]]."""

    start: Ints
    target: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Tips:
    """The executed ``last`` answers of agents with several; by agent, then in ledger order."""

    row: Ints
    """Request of the answer."""
    digest: np.ndarray[tuple[int], np.dtype[np.uint64]]
    """Of the set of attempts that it rests on, itself left out; equal sets, equal digests."""


def graph_of(carried: Carried, rows: int) -> Graph:
    """Follow what requests carried; rows of the carried receipts are in the order of carriers."""
    is_known = carried.source != NONE
    start = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(carried.carrier[is_known], minlength=rows), out=start[1:])
    return Graph(start=start, target=carried.source[is_known])


def reach(graph: Graph, starts: Ints) -> Flags:
    """All rows that the starts rest on, the starts themselves included."""
    seen = np.zeros(len(graph.start) - 1, np.bool_)
    place = np.zeros(len(seen), np.int64)
    fresh = starts
    while len(fresh):
        # Of equal rows the last writer stays: cheaper than sorting every generation.
        numbers = np.arange(len(fresh))
        place[fresh] = numbers
        fresh = fresh[place[fresh] == numbers]
        seen[fresh] = True
        counts = graph.start[fresh + 1] - graph.start[fresh]
        found = graph.target[spread(graph.start[fresh], counts)]
        fresh = found[~seen[found]]
    return seen


def reach_each(graph: Graph, starts: Ints) -> tuple[Ints, Ints]:
    """For each start by itself, the rows that it rests on, itself left out: (number, row)."""
    rows = len(graph.start) - 1
    pairs = np.arange(len(starts)) * rows + starts
    known, fresh = pairs, pairs
    while len(fresh):
        at, which = fresh % rows, fresh // rows
        counts = graph.start[at + 1] - graph.start[at]
        found = np.repeat(which, counts) * rows + graph.target[spread(graph.start[at], counts)]
        fresh = _without(distinct(found), known)
        known = np.sort(np.concatenate([known, fresh]))
    others = _without(known, pairs)
    return (others // rows, others % rows) if rows else (others, others)


def _without(values: Ints, ordered: Ints) -> Ints:
    """The values that an ordered array does not hold."""
    if not len(ordered):
        return values
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    left: Ints = values[ordered[place] != values]
    return left


def tips_of(requests: Requests, cells: Cells, graph: Graph, executed: Ints) -> Tips:
    """Find the agents that gave more than one last answer, and what each of these rests on."""
    last = executed[cells.is_last[cells.of_request[executed]]]
    agent = requests.agent[last]
    is_several = np.zeros(len(last), np.bool_)
    same = np.flatnonzero(agent[1:] == agent[:-1])
    is_several[same] = True
    is_several[same + 1] = True
    row = last[is_several]
    tip, rests_on = reach_each(graph, row)
    digest = np.zeros(len(row), np.uint64)
    np.add.at(digest, tip, _mixed(rests_on))
    return Tips(row=row, digest=digest)


def _mixed(rows: Ints) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Scatter row numbers over 64 bits, so that sums of different sets differ.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
    """
    value = (rows.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: np.ndarray[tuple[int], np.dtype[np.uint64]] = value ^ (value >> np.uint64(31))
    return result
