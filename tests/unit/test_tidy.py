"""House rules that no linter knows: sizes, clocks and chance, names, private addresses."""

import ast
import functools
import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("harness", "mock_llm", "reports", "scenarios")
LINES_MAX, FUNCTION_LINES_MAX = 500, 60
TEXT_BYTES_MAX = 4_000_000

CLOCK_AND_CHANCE = {
    "harness/clock.py": "the Clock itself",
    "harness/seeds.py": "the named streams themselves",
    "mock_llm/clock.py": "the mock LLM imports nothing of the harness: a Clock of its own",
    "harness/cluster/keeper.py": "it forks before a loop exists and must end when all else broke",
}
BLIND_EXCEPTS = {
    "harness/checkers/registry.py": "a checker that breaks is unknown, not a crash",
    "harness/runner/walk.py": "teardown collects everything",
}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "data_utils"}
PRIVATE = {
    "an absolute home path": r"(?<![\w.])/(?:root|Users|home/[a-z][\w-]*)/[\w.]",
    "a package index": r"(?:--(?:extra-)?index[-]url|index[-]url\s*=|--find-links)",
    "a registry host": r"https?://[^\s/\"'`)]*(?:artifactory|nexus|mirror|registry|pypi|goproxy)",
}


def modules() -> list[Path]:
    return sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def parsed() -> list[tuple[str, ast.Module]]:
    return [(name_of(path), ast.parse(path.read_text(), filename=str(path))) for path in modules()]


def tracked() -> list[Path]:
    """Files that are, or would be, committed."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files are tracked is not known")
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_module_is_over_500_lines() -> None:
    """A module that outgrows a reader is split along a seam."""
    paths = [*modules(), *(ROOT / "tests").rglob("*.py")]
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in paths}

    assert {name: size for name, size in sizes.items() if size > LINES_MAX} == {}


def test_no_two_test_modules_share_a_name() -> None:
    """Pytest imports them by their names alone, and refuses the second."""
    names = sorted(path.name for path in (ROOT / "tests").rglob("test_*.py"))

    assert [name for name, after in pairwise(names) if name == after] == []


def test_no_two_pages_share_a_number() -> None:
    """A finding or a decision is quoted by its number."""
    pages = sorted((ROOT / "docs").glob("*/[0-9][0-9][0-9][0-9]-*.md"))

    assert pages
    assert [
        page.name
        for page, after in pairwise(pages)
        if (page.parent, page.name[:4]) == (after.parent, after.name[:4])
    ] == []


def test_no_function_is_over_60_lines() -> None:
    """A function has one job."""
    long = {
        f"{name}:{node.lineno} {node.name}": size
        for name, tree in parsed()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    }

    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    """A module opens with a docstring."""
    assert [name for name, tree in parsed() if not ast.get_docstring(tree)] == []


def test_time_and_chance_are_parameters() -> None:
    """`time`, `random` and `uuid` are imported where the Clock and the streams are made, only."""
    importers = {
        name
        for name, tree in parsed()
        for node in ast.walk(tree)
        if {"time", "random", "uuid"} & set(imported(node))
    }

    assert importers - set(CLOCK_AND_CHANCE) == set()


def test_only_the_checker_runner_and_the_teardown_except_everything() -> None:
    """`except Exception` to carry on hides what broke."""
    blind = {
        name
        for name, tree in parsed()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and is_blind(node)
    }

    assert blind - set(BLIND_EXCEPTS) == set()


def test_modules_have_names_of_their_own() -> None:
    """A folder for everything else is where a stranger stops finding things."""
    assert [name_of(path) for path in modules() if path.stem in BANNED_NAMES] == []
    assert [name_of(path) for path in modules() if path.parent.name in BANNED_NAMES] == []


@pytest.mark.parametrize("what", sorted(PRIVATE))
def test_tracked_files_name_no_private_place(what: str) -> None:
    """What is committed works on every machine and gives away none."""
    pattern = re.compile(PRIVATE[what].encode())
    found = {
        f"{name_of(path)}: {hit.group().decode(errors='replace')}"
        for path in tracked()
        if path != Path(__file__) and path.stat().st_size < TEXT_BYTES_MAX
        for hit in [pattern.search(path.read_bytes())]
        if hit is not None
    }

    assert found == set()


def test_every_package_has_a_row_in_the_import_table() -> None:
    """A new module or folder of harness gets its place among the layers before it gets users."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (layers,) = (
        contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    placed = set(re.findall(r"[\w.]+", " ".join(layers)))
    present = {
        f"harness.{path.stem}"
        for path in (ROOT / "harness").iterdir()
        if path.stem not in ("__init__", "__main__")
        and (path.suffix == ".py" or (path / "__init__.py").exists())
    }

    assert present - placed == set()


def imported(node: ast.AST) -> list[str]:
    """Top-level names that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [(node.module or "").partition(".")[0]]
    return []


def is_blind(handler: ast.ExceptHandler) -> bool:
    """Catches everything, and does not raise it again as its last statement."""
    caught = handler.type
    names = [part.id for part in ast.walk(caught) if isinstance(part, ast.Name)] if caught else [""]
    ends = isinstance(handler.body[-1], ast.Raise)
    return not ends and bool({"", "Exception", "BaseException"} & set(names))
