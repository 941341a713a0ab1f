"""axe-core, the accessibility checker: fetched once by npm, pinned by digest, never committed.

It is under the Mozilla Public License 2.0 and is used in tests alone.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "4.14.1"
SHA512 = (
    "e63e659f9806d7ae5bd40899043b0871a5062c5442b01b3f1a3edf5eaf50bf5c"
    "3a7104a72463293b4ad1b77c661a0d4e40e850dec89de9d6ece70a8c13a9af17"
)
"""Of package/axe.min.js."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onceproof" / "axe"
REMEDY = "no axe-core; get npm with `apt-get install npm`, and a network for one download"
DEADLINE_S = 60


def axe_script() -> str | None:
    """The text of axe.min.js; None where neither the cache nor npm has it.

    Raises:
        AssertionError: npm brought other bytes than those that were pinned.
    """
    cached = CACHE / f"axe-{VERSION}.min.js"
    if not cached.exists() and not _fetch(cached):
        return None
    data = cached.read_bytes()
    assert hashlib.sha512(data).hexdigest() == SHA512, f"{cached} is not axe-core {VERSION}"
    return data.decode()


def _fetch(cached: Path) -> bool:
    npm = shutil.which("npm")
    if npm is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                (npm, "pack", "--silent", f"axe-core@{VERSION}"),
                cwd=folder,
                timeout=DEADLINE_S,
                check=False,
                capture_output=True,
            )
        except subprocess.TimeoutExpired:
            return False
        if done.returncode:
            return False
        with tarfile.open(Path(folder) / f"axe-core-{VERSION}.tgz") as archive:
            found = archive.extractfile("package/axe.min.js")
            assert found is not None
            cached.parent.mkdir(parents=True, exist_ok=True)
            draft = cached.with_suffix(f".{os.getpid()}")
            draft.write_bytes(found.read())
            draft.replace(cached)
    return True
