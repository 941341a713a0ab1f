"""S3: see RepeatsExcused."""

from harness.checkers.found import Found, Scan, census, of_cells
from harness.checkers.judgement import PromiseChecker
from harness.history import Flags
from harness.measures.portion import Portion
from harness.measures.repeats import Repeated, repeated_of


class RepeatsExcused(PromiseChecker):
    """S3: a step is repeated only where its exposure overlaps a fault window.

    Evidence: every execution of a step that was executed before, against the fault windows between
    the two begins. A window excuses whoever it struck; repeats of steps that did not run on the
    victim are legal and priced apart. An answer that the witness withheld on purpose excuses its
    own repeat. Repeats after the use are S2's; here they count only when no fault explains them at
    all. Cannot see: steps that make no call; faults that nobody planned, such as the machine's own.
    """

    promise = "S3"
    counted = "steps"

    def scan(self, portion: Portion) -> Scan:
        """See PromiseChecker."""
        repeated = repeated_of(portion)
        return census(portion) + Scan(
            found=(
                repeat_without_fault(portion, repeated),
                concurrent_duplicate(portion, repeated),
            )
        )


def repeat_without_fault(portion: Portion, repeated: Repeated) -> Found:
    """Unexplained repeats that began after the execution before had ended."""
    is_ours = ~repeated.is_explained & ~_is_concurrent(portion, repeated)
    return _told("repeat-without-fault", portion, repeated, is_ours)


def concurrent_duplicate(portion: Portion, repeated: Repeated) -> Found:
    """Unexplained repeats that began before the execution before had ended."""
    is_ours = ~repeated.is_explained & _is_concurrent(portion, repeated)
    return _told("concurrent-duplicate", portion, repeated, is_ours)


def _is_concurrent(portion: Portion, repeated: Repeated) -> Flags:
    requests = portion.requests
    result: Flags = requests.begin_seq[repeated.row] < requests.end_seq[repeated.before]
    return result


def _told(name: str, portion: Portion, repeated: Repeated, is_ours: Flags) -> Found:
    began = portion.requests.begin_seq
    return of_cells(
        name,
        portion,
        repeated.cell[is_ours],
        before=began[repeated.before[is_ours]],
        again=began[repeated.row[is_ours]],
    )
