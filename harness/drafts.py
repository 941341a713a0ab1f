"""Files written whole or not at all, and never through a link.

A run's directory may come from a stranger. What we write into it replaces what has the name, so
that a link there leads nothing outside; used by whoever writes results, evidence and pages.
"""

import os
from pathlib import Path

from harness.errors import MachineError


def write_whole(path: Path, data: bytes) -> Path:
    """Replace ``path`` by a plain file; a reader sees the old one or all of the new one.

    Raises:
        MachineError: the folder takes no file; nothing half-written is left.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        draft.replace(path)
    except OSError as error:
        if not draft.is_dir():
            draft.unlink(missing_ok=True)
        raise MachineError(
            f"{path}: {error.strerror}; free the disk or mend the rights, then do it again"
        ) from error
    return path


def plain_file_problem(path: Path) -> str:
    """Why a file of a run is not to be read: a link, or no plain file; empty when it may be."""
    if path.is_symlink():
        return "is a link; a run holds its files itself"
    return "" if path.is_file() else "is no plain file"
