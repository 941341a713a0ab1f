"""Programs that refuse to run as root: as whom they run instead, and whether that one may enter.

Used for PostgreSQL. As any other user than root nothing is changed.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MachineError

NAMES = ("postgres", "nobody")
"""Users to run as, in order; the first that exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who runs a program."""

    prefix: tuple[str, ...]
    """What to put before the command; empty for ourselves."""
    uid: int
    gid: int

    def may_enter(self, folder: Path) -> bool:
        """Whether every folder down to this one lets the person through."""
        if not self.prefix:
            return os.access(folder, os.X_OK)
        return all(_lets_in(part, self) for part in (folder, *folder.parents) if part.exists())


def person() -> Person:
    """Ourselves, or for root a user with fewer rights; setpriv changes to that one.

    Raises:
        MachineError: root, on a machine without any such user.
    """
    if os.geteuid() != 0:
        return Person(prefix=(), uid=os.geteuid(), gid=os.getegid())
    for name in NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        ids = ("--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups")
        # The kernel forgets the parent-death signal when the user changes: set it again.
        prefix = ("setpriv", *ids, "--pdeathsig", "KILL", "--")
        return Person(prefix=prefix, uid=entry.pw_uid, gid=entry.pw_gid)
    raise MachineError(
        f"PostgreSQL does not run as root, and there is no user {' or '.join(NAMES)} here; "
        "run onceproof as another user"
    )


def _lets_in(folder: Path, one: Person) -> bool:
    facts = folder.stat()
    shift = 6 if facts.st_uid == one.uid else 3 if facts.st_gid == one.gid else 0
    return bool(facts.st_mode >> shift & 1)
