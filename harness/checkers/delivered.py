"""M: see Delivered."""

import numpy as np

from harness.checkers.ends import deadline_ns
from harness.checkers.found import Found, Scan, of_agents, of_messages
from harness.checkers.judgement import PromiseChecker
from harness.history import NONE, Evidence, Flags, Ints, Kind, MessageEvent
from harness.measures.exposure import NEVER, columns_of, overlapping
from harness.measures.lineage import reach_each
from harness.measures.messages import (
    START,
    Story,
    bound_of,
    disagreements,
    exposed_to,
    is_counted,
    story_of,
)
from harness.measures.portion import Portion
from harness.measures.repeats import repeated_of


class Delivered(PromiseChecker):
    """M: an acknowledged message is delivered, as the broker declares it.

    Evidence: what publishers and handlers told the witness, each at the moment, in one order with
    all else; what the harness found in the brokers at the end, and their own counters. A message
    counts as delivered when a handler has it. Repeats and order are judged against what the broker
    declares (scenarios/expectations.yaml), not against what one would wish. Cannot see: messages
    that nobody told of; what a handler that was killed before it could tell had in hand; whether a
    second group of readers got a message, too.
    """

    promise = "M"
    counted = "acknowledged messages"

    def scan(self, portion: Portion) -> Scan:
        """Agents that their start message started twice; nothing else needs their requests."""
        if not portion.evidence.messages.count:
            return Scan()
        return Scan(found=(duplicate_message_start(portion),))

    def scan_whole(self, evidence: Evidence) -> Scan:
        """See PromiseChecker."""
        if not evidence.messages.count:
            return Scan()
        story = story_of(evidence)
        exposed = int(exposed_to(evidence, story).sum())
        dead, excused = unaccounted_dead_letter(evidence, story)
        return Scan(
            checked=int(np.count_nonzero(story.is_acknowledged)),
            exposed=exposed,
            interrupted=exposed,
            not_judged=int(np.count_nonzero(_unknown(evidence, story))) + excused,
            found=(
                lost_message(evidence, story),
                stranded_message(story),
                dropped_poison(evidence, story),
                lost_message_start(evidence, story),
                duplicate_delivery(evidence, story),
                reordered_message(evidence, story),
                phantom_delivery(story),
                cross_topic(evidence, story),
                dead,
            ),
        )

    def is_applicable(self, evidence: Evidence) -> bool:
        """Runs without a broker and messages have nothing to promise."""
        return bool(evidence.brokers) or bool(evidence.messages.count)

    def lacks(self, evidence: Evidence, scan: Scan) -> str:
        """Nothing is valid while what is left is unknown, or brokers and ledger disagree."""
        story = story_of(evidence)
        unknown = int(np.count_nonzero(_unknown(evidence, story)))
        if unknown:
            return f"{unknown} messages came nowhere, and what was left was not collected"
        wrong = disagreements(evidence, story)
        return f"the sums disagree: {wrong[0]}" if wrong else super().lacks(evidence, scan)


def lost_message(evidence: Evidence, story: Story) -> Found:
    """Acknowledged, delivered to nobody, in no dead letters, and not left in any broker."""
    is_lost = story.is_missing & ~story.is_left & is_counted(evidence, story)
    return _told(
        "lost-message", story, is_lost, first=story.published_seq, end=story.acknowledged_seq
    )


def stranded_message(story: Story) -> Found:
    """Acknowledged and delivered to nobody, and still in a broker: not gone, but left behind."""
    is_left = story.is_missing & story.is_left
    return _told(
        "stranded-message", story, is_left, first=story.acknowledged_seq, end=story.residue_seq
    )


def dropped_poison(evidence: Evidence, story: Story) -> Found:
    """Poison that a handler refused, in no dead letters and in no broker any more: gone silently.

    What no handler had either is a lost message.
    """
    is_gone = story.is_open_poison & ~story.is_left & (story.delivered_seq != NEVER)
    return _told(
        "dropped-poison",
        story,
        is_gone & is_counted(evidence, story),
        first=story.published_seq,
        end=story.last_delivered_seq,
    )


def duplicate_delivery(evidence: Evidence, story: Story) -> Found:
    """Delivered more often than it was published, by a broker that does not excuse itself.

    Poison, which no handler takes, has to come again.
    """
    strict = np.array([*(not one.excuses_repeats for one in evidence.brokers), False], np.bool_)
    is_more = (story.publishings > 0) & (story.deliveries > story.publishings) & ~story.is_poison
    return _told(
        "duplicate-delivery",
        story,
        is_more & strict[story.broker],
        first=story.delivered_seq,
        end=story.last_delivered_seq,
    )


def reordered_message(evidence: Evidence, story: Story) -> Found:
    """Messages that their successor in key and topic overtook, where the broker promises order.

    Told between neighbours by number, on one broker, and only where the second was published after
    the first had been acknowledged. A fault of a shared service on the way excuses it.
    """
    ordered = np.array([*(one.declared.is_ordered for one in evidence.brokers), False], np.bool_)
    is_ours = (story.delivered_seq != NEVER) & (story.key != NONE) & (story.number != NONE)
    rows = np.flatnonzero(is_ours & ordered[story.broker])
    columns = (story.number, story.broker, story.topic, story.key)
    rows = rows[np.lexsort(tuple(column[rows] for column in columns))]
    one, two = rows[:-1], rows[1:]
    is_next = story.number[one] < story.number[two]
    for column in columns[1:]:
        is_next &= column[one] == column[two]
    is_after = story.acknowledged_seq[one] < story.published_seq[two]
    is_overtaken = story.delivered_seq[one] > story.delivered_seq[two]
    shared = columns_of([fault for fault in evidence.faults if fault.is_shared], ())
    excuse = overlapping(shared, story.published_seq[one], story.delivered_seq[one])
    chosen = is_next & is_after & is_overtaken & (excuse == NONE)
    return of_messages(
        "reordered-message",
        story.agent[one[chosen]],
        story.path[one[chosen]],
        first=story.delivered_seq[two[chosen]],
        end=story.delivered_seq[one[chosen]],
    )


def phantom_delivery(story: Story) -> Found:
    """Delivered, or a dead letter, before anybody had published it."""
    came = np.minimum(story.delivered_seq, story.dead_seq)
    is_phantom = (came != NEVER) & (came < story.published_seq)
    return _told("phantom-delivery", story, is_phantom, first=came)


def cross_topic(evidence: Evidence, story: Story) -> Found:
    """Delivered from a topic that it was never published to; the first such delivery proves it."""
    rows = evidence.messages
    place = rows.message.astype(np.int64) * len(evidence.names.topics) + rows.topic
    meant = place[rows.what == MessageEvent.PUBLISHING]
    came = np.flatnonzero(rows.what == MessageEvent.DELIVERED)
    is_known = story.publishings[rows.message[came]] > 0
    astray = came[is_known & ~np.isin(place[came], meant)]
    message, first = np.unique(rows.message[astray], return_index=True)
    return of_messages(
        "cross-topic",
        story.agent[message],
        story.path[message],
        first=story.published_seq[message],
        end=rows.seq[astray[first]],
    )


def unaccounted_dead_letter(evidence: Evidence, story: Story) -> tuple[Found, int]:
    """Dead letters that were no poison and had not been tried often enough; and excused ones.

    A fault window on its way excuses one: a handler that was killed could not tell of its try.
    """
    rows = evidence.messages
    delivered = np.flatnonzero(rows.what == MessageEvent.DELIVERED)
    is_before = rows.seq[delivered] < story.dead_seq[rows.message[delivered]]
    tries = np.bincount(rows.message[delivered[is_before]], minlength=len(story.dead_seq))
    is_due = story.is_poison | (tries >= bound_of(evidence.brokers, story.broker))
    is_open = (story.dead_seq != NEVER) & (story.publishings > 0) & ~is_due
    windows = columns_of(evidence.faults, ())
    is_excused = overlapping(windows, story.published_seq, story.dead_seq) != NONE
    found = _told(
        "unaccounted-dead-letter",
        story,
        is_open & ~is_excused,
        first=story.published_seq,
        end=story.dead_seq,
    )
    return found, int(np.count_nonzero(is_open & is_excused))


def lost_message_start(evidence: Evidence, story: Story) -> Found:
    """A start message was delivered, and its agent never asked for anything.

    Told only of runs that waited: as long as L waits, and as long after the delivery.
    """
    requests, marks = evidence.requests, evidence.outcomes
    is_seen = np.zeros(len(evidence.names.agents) + 1, np.bool_)
    is_seen[requests.agent[requests.kind != Kind.EVENT]] = True
    is_seen[marks.agent] = True
    is_silent = _starts(evidence, story) & (story.delivered_seq != NEVER) & ~is_seen[story.agent]
    waited_ns = evidence.phases.get("end", NONE)
    is_healed = all(fault.healed_seq != NONE for fault in evidence.faults)
    if not is_healed or waited_ns < deadline_ns(evidence):
        is_silent[:] = False
    is_due = story.delivered_ns <= waited_ns - evidence.liveness_ns
    is_told = is_silent & is_due & (story.dead_seq == NEVER)
    return _told("lost-message-start", story, is_told, first=story.delivered_seq)


def duplicate_message_start(portion: Portion) -> Found:
    """Agents that one start message started twice, both starts alive.

    Its first step was executed again and both results were used. Alive: no fault struck whoever had
    executed it first, or something was still built on the first result alone after the second start
    had begun. A start message that was published again may start again. A request that carried both
    results is of one run, which has done its first step twice: that is for S1 and S3.
    """
    repeated = repeated_of(portion)
    is_root = np.zeros(portion.cells.count, np.bool_)
    is_root[: portion.cells.planned] = np.diff(portion.expected.predecessor_start) == 0
    is_used = np.zeros(portion.requests.count, np.bool_)
    for source in (portion.carried.source, portion.ends.row):
        is_used[source[source != NONE]] = True
    agent = portion.cells.agent[repeated.cell]
    is_ours = is_root[repeated.cell] & is_used[repeated.before] & is_used[repeated.row]
    chosen = np.flatnonzero(is_ours & np.isin(agent, _started_once(portion)))
    is_alive = ~repeated.is_on_victim[chosen]
    is_alive |= _is_carried_on(portion, repeated.before[chosen], repeated.row[chosen])
    chosen = chosen[is_alive]
    is_joined = _is_joined(portion, repeated.before[chosen], repeated.row[chosen])
    chosen = chosen[~is_joined]
    again, first = np.unique(agent[chosen], return_index=True)
    began = portion.requests.begin_seq
    return of_agents(
        "duplicate-message-start",
        again,
        before=began[repeated.before[chosen[first]]],
        again=began[repeated.row[chosen[first]]],
    )


def _is_carried_on(portion: Portion, before: Ints, row: Ints) -> Flags:
    """Whether a request begun after ``row`` rests on ``before`` and not on ``row``."""
    requests = portion.requests
    alive = np.zeros(len(row), np.bool_)
    for place, (one, two) in enumerate(zip(before, row, strict=True)):
        is_later = requests.begin_seq > requests.begin_seq[two]
        later = np.flatnonzero((requests.agent == requests.agent[two]) & is_later)
        number, rests_on = reach_each(portion.graph, later)
        on_one, on_two = (number[rests_on == which] for which in (one, two))
        alive[place] = bool(len(np.setdiff1d(on_one, on_two)))
    return alive


def _is_joined(portion: Portion, before: Ints, row: Ints) -> Flags:
    """Whether one request carried the results of both."""
    carried = portion.carried
    by = [
        [carried.carrier[carried.source == one] for one in (first, second)]
        for first, second in zip(before, row, strict=True)
    ]
    return np.array([bool(len(np.intersect1d(*pair))) for pair in by], np.bool_)


def _started_once(portion: Portion) -> Ints:
    """Agents of the portion whose start message was published once, and delivered."""
    rows = portion.evidence.messages
    is_ours = (rows.path == _start_path(portion.evidence)) & (rows.agent >= portion.agent_from)
    is_ours &= rows.agent < portion.agent_to
    counts = [
        np.bincount(
            rows.agent[is_ours & (rows.what == what)] - portion.agent_from,
            minlength=portion.agents_count,
        )
        for what in (MessageEvent.PUBLISHING, MessageEvent.DELIVERED)
    ]
    return np.flatnonzero((counts[0] == 1) & (counts[1] > 0)) + portion.agent_from


def _starts(evidence: Evidence, story: Story) -> Flags:
    """Messages that start an agent of the plan."""
    result: Flags = (story.path == _start_path(evidence)) & (story.agent != NONE)
    return result


def _start_path(evidence: Evidence) -> int:
    """The number of the path of start messages; of no path when there are none."""
    paths = evidence.names.paths
    return paths.index(START) if START in paths else len(paths)


def _unknown(evidence: Evidence, story: Story) -> Flags:
    """Messages that are lost or left, poison that is dropped or left; nobody knows which."""
    is_open = story.is_missing | story.is_open_poison
    result: Flags = is_open & ~story.is_left & ~is_counted(evidence, story)
    return result


def _told(name: str, story: Story, is_chosen: Flags, **seqs: Ints) -> Found:
    """Anomalies of the chosen messages."""
    return of_messages(
        name,
        story.agent[is_chosen],
        story.path[is_chosen],
        **{role: column[is_chosen] for role, column in seqs.items()},
    )
