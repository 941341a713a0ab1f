"""Runs the article's code samples as printed, each in a process of its own, bounded, offline."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.claims import Sample, SampleOutcome

TIMEOUT_S = 120.0
"""Importing Dapr Agents alone takes 8 s on an idle core."""
RAN, STILL_RUNNING = "ran to its end", f"still running after {TIMEOUT_S:g} s"

# Top-level await is allowed, as in a notebook: a sample that uses it is not refused for that.
_CELL = """
import ast, asyncio, inspect, sys
code = compile(open(sys.argv[1]).read(), "sample", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
found = eval(code, {"__name__": "__main__"})
if inspect.iscoroutine(found):
    asyncio.run(found)
"""
_NAMES = """
import contextlib, importlib, importlib.metadata, json, sys
absent = []
for name in sys.argv[1:]:
    parts = name.split(".")
    for depth in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:depth]))
            break
        except ImportError:
            continue
    try:
        for part in parts[depth:]:
            found = getattr(found, part)
    except AttributeError:
        absent.append(name)
package = sys.argv[1].split(".")[0].replace("_", "-")
versions = {}
with contextlib.suppress(importlib.metadata.PackageNotFoundError):
    versions[package] = importlib.metadata.version(package)
print(json.dumps([absent, versions]))
"""
_PLACES = re.compile(r" \((?:unknown location|/[^)]*)\)")


def run_samples(samples: Sequence[Sample], *, timeout_s: float = TIMEOUT_S) -> list[SampleOutcome]:
    """Run each sample, and look for the names that they use."""
    with tempfile.TemporaryDirectory(prefix="onceproof-") as folder:
        wanted = tuple(dict.fromkeys(name for one in samples for name in one.names))
        absent, versions = _names(wanted, folder, timeout_s)
        return [
            SampleOutcome(
                name=one.name,
                outcome=_outcome(one, folder, timeout_s),
                absent=tuple(name for name in one.names if name in absent),
                versions=versions,
            )
            for one in samples
            if not one.not_run
        ]


def _outcome(sample: Sample, folder: str, timeout_s: float) -> str:
    path = Path(folder) / f"{sample.name}.py"
    path.write_text(sample.code)
    try:
        done = _python(_CELL, (str(path),), folder, timeout_s)
    except subprocess.TimeoutExpired:
        return STILL_RUNNING
    return RAN if done.returncode == 0 else _last_line(done.stderr)


def _names(
    names: tuple[str, ...], folder: str, timeout_s: float
) -> tuple[tuple[str, ...], dict[str, str]]:
    try:
        done = _python(_NAMES, names, folder, timeout_s)
        absent, versions = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return (), {}
    return tuple(absent), versions


def _python(
    code: str, words: tuple[str, ...], folder: str, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """This interpreter, with the packages installed beside it, in a network namespace of its own
    where the machine allows one; without proxies and keys anywhere.
    """
    return subprocess.run(
        [*_offline(), sys.executable, "-c", code, *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": folder, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def _offline() -> tuple[str, ...]:
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    words = (unshare, "--map-root-user", "--net", "--")
    tried = subprocess.run([*words, "true"], capture_output=True, timeout=10, check=False)
    return words if tried.returncode == 0 else ()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return _PLACES.sub("", lines[-1])[:200] if lines else "ended without a word"
