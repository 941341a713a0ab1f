"""Every exception that onceproof raises on purpose.

    OnceproofError
    ├── UsageError      the caller's: a wrong name, value or combination; exit 254, nothing started
    ├── MachineError    this machine's: no port, no disk, no runtime; exit 254 before the start
    ├── EngineError     the subject's: recorded as evidence by the driver, never raised past it
    └── HarnessError    ours: a broken invariant; exit 255, the run is kept

A message has the value, the expectation and the next move. ``is_definite`` says whether the thing
that failed certainly did not happen: definite is `fail`, everything else is `info`.
"""


class OnceproofError(Exception):
    """Root of the tree; catch it only at the command line."""

    is_definite: bool = True
    exit_code: int = 255


class UsageError(OnceproofError):
    """The caller asked for something that cannot be; nothing was started."""

    exit_code = 254


class MachineError(OnceproofError):
    """This machine lacks something that the caller can provide."""

    exit_code = 254


class EngineError(OnceproofError):
    """The engine under test misbehaved; the driver records it and goes on."""

    def __init__(self, message: str, *, is_definite: bool = False) -> None:
        super().__init__(message)
        self.is_definite = is_definite


class HarnessError(OnceproofError):
    """An invariant of ours broke in mid-run; the run is kept, its verdict is unknown."""
