"""What every ring shares: a cap on hypothesis, no example database in the checkout, an order."""

import re
from pathlib import PurePath

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("onceproof", max_examples=60, deadline=None, database=None)
settings.load_profile("onceproof")

TOGETHER = tuple(
    re.compile(pattern)
    for pattern in (
        r"test_worker_contract\.py::\w+\[(?:crewai:|control:)?[a-z]+",
        r"test_page\.py::test_page_\w+\[\w+",
        r"test_real_runs\.py::test_(?:count|doctored|changed)",
        r"test_(?:wheel|onenode_ends|chart_on_a_cluster)\.py",
        r"unit/(?!test_simulation\.)\w+\.py",
    )
)
"""Tests for which something costly is made once: one process runs them, one after the other."""
FIRST = (
    ("test_broker_runs", "test_tracing", "test_real_runs"),
    (
        "test_simulate",
        "test_own_worker",
        "test_dapr_agents",
        "test_known_facts",
        "test_every_engine",
    ),
    ("test_capacity_runs",),  # Beside lighter ones than those above: a full machine hides its knee.
    ("integration", "contract", "test_mutants", "test_simulation", "test_reports_html"),
)
"""What waits for long starts first; short tests come last, so that no process ends late alone."""


def scope_of(nodeid: str) -> str:
    """What a test goes together with: the place and parameter that TOGETHER finds, or itself."""
    found = [match for pattern in TOGETHER if (match := pattern.search(nodeid))]
    return re.sub(r"::\w+", "", found[0][0]) if found else nodeid


class Scheduling(LoadScopeScheduling):
    """One test after the other to whoever is free, but what goes together at once.

    xdist's own `loadgroup` does nothing under pytest 9.2: it writes a name that is read no more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Called where tests run side by side, whatever `--dist` says."""
    config.option.loadscopereorder = False
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first; else as they were shuffled."""
    items.sort(key=turn)


def turn(item: pytest.Item) -> int:
    """The line of FIRST that names a test's module or ring."""
    names = {item.path.stem, PurePath(item.path).parent.name}
    return next((n for n, line in enumerate(FIRST) if names & set(line)), len(FIRST))
