"""What durability takes with an engine, in lines: counted by marks in the source of its adapter.

A mark is a comment in a line of its own. The statement below is there for durability and recovery
alone: it opens the store, says where a result is kept, finds out what is there, has the engine go
on. Its lines count, without docstrings, comments and blank ones. Not marked: the agent itself,
retries, messages, telemetry, and what only answers the harness.
"""

import ast
import fnmatch
import functools
import re
from pathlib import Path

import yaml

from harness.cluster.components import components_beside
from harness.effort import Effort
from harness.engines.registry import ENGINES
from harness.errors import HarnessError, UsageError
from harness.protocols import Component, EngineSpec
from harness.provide.data import PACKAGE, components_folder
from harness.runner.order import Order, engine_of
from harness.stores import STORES

MARK = re.compile(r"\s*# durable(?:: (?P<variants>.+))?")
"""``# durable``, or ``# durable: sqlite-*, naive`` where only these variants run the statement."""
SHARED_ON_DAPR = ("dapr_client.py",)
"""Beside an engine's own package."""


def effort_of_order(order: Order) -> Effort | None:
    """Of a run; None for a worker of the user's own, and for what this version does not know."""
    if order.own is not None or order.cell.engine not in ENGINES:
        return None
    try:
        return effort_of(engine_of(order), order.cell.store)
    except UsageError:
        return None


def effort_of(spec: EngineSpec, store: str) -> Effort:
    """Of an engine of the registry on a store.

    Raises:
        HarnessError: a mark above no statement.
    """
    return Effort(
        code_lines=_code_lines(spec.engine, spec.variant, needs_dapr=spec.needs_dapr),
        config_lines=sum(config_lines_of(path.read_text()) for path in _components(spec, store)),
    )


def lines_of(source: str, variant: str) -> int:
    """Lines of the statements that are marked for a variant; of an `if` without its `else`.

    Raises:
        ValueError: a mark above no statement.
    """
    lines = source.splitlines()
    marked = [number for number, line in enumerate(lines, 2) if _is_mark(line, variant)]
    if not marked:
        return 0
    tree = ast.parse(source)
    ends = _ends(tree)
    if strange := [number for number in marked if number not in ends]:
        raise ValueError(f"line {strange[0] - 1}: no statement begins below the mark")
    counted = {line for number in marked for line in range(number, ends[number] + 1)}
    texts = [lines[number - 1].strip() for number in counted - _docstrings(tree)]
    return sum(bool(text) and not text.startswith("#") for text in texts)


def config_lines_of(text: str) -> int:
    """Lines of a YAML file, without comments and blank ones."""
    return len(yaml.safe_dump(yaml.safe_load(text)).splitlines())


@functools.cache
def _code_lines(engine: str, variant: str, *, needs_dapr: bool) -> int:
    folder = PACKAGE / "engines"
    paths = sorted((folder / engine).rglob("*.py"))
    paths += [folder / name for name in SHARED_ON_DAPR if needs_dapr]
    return sum(_lines_of_file(path, variant) for path in paths)


def _lines_of_file(path: Path, variant: str) -> int:
    try:
        return lines_of(path.read_text(), variant)
    except ValueError as error:
        raise HarnessError(f"{path}, {error}; move it right above one") from error


def _components(spec: EngineSpec, store: str) -> list[Path]:
    state = STORES[store].component_file if store in STORES else ""
    if not spec.needs_dapr or not state:
        return []
    beside = components_beside(Component(file=state, metadata={}), spec.components)
    return [components_folder() / name for name in (state, *(one.file for one in beside))]


def _is_mark(line: str, variant: str) -> bool:
    found = MARK.fullmatch(line.rstrip())
    if found is None:
        return False
    patterns = (found["variants"] or "*").split(",")
    return any(fnmatch.fnmatchcase(variant, pattern.strip()) for pattern in patterns)


def _ends(tree: ast.Module) -> dict[int, int]:
    """First line of each statement and decorator -> its last line."""
    ends: dict[int, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            last = node.body[-1] if isinstance(node, ast.If) else node
            ends[node.lineno] = max(ends.get(node.lineno, 0), last.end_lineno or last.lineno)
        for decorator in getattr(node, "decorator_list", ()):
            ends[decorator.lineno] = decorator.end_lineno
    return ends


def _docstrings(tree: ast.Module) -> set[int]:
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
