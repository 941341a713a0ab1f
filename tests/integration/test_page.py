"""The page in a real browser: no error, no request, no overflow, tables that sort, no barrier.

Skipped where there is no Chromium; `apt-get install chromium` brings one.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.capacity_forms import render_capacity_html
from reports.pages import write_pages
from tests import report_fixtures as fixtures
from tests.axe import REMEDY as AXE_REMEDY
from tests.axe import axe_script
from tests.browser import CHROMIUM, REMEDY, Browser, browser
from tests.unit.test_capacity_assess import assessed

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason=REMEDY),
]


@pytest.fixture(scope="module", params=["default", "wide", "hostile", "unjudged", "capacity"])
def page(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("page")
    if request.param == "capacity":
        written = folder / "capacity.html"
        written.write_text(render_capacity_html(assessed()))
        yield written
    else:
        yield write_pages(fixtures.MATRICES[request.param](), folder)[0]


def test_page_fits_loads_nothing_and_has_no_error(page: Path, tmp_path: Path) -> None:
    """No sideways scrolling of the page, no request but itself, nothing on the console."""
    widths = (400, 1280)

    async def look() -> tuple[list[int], Browser]:
        async with browser(tmp_path / "profile") as found:
            scrolled = []
            for width in widths:
                await found.show(page, width=width)
                scrolled.append(await found.value("document.documentElement.scrollWidth"))
            return scrolled, found

    scrolled, found = asyncio.run(look())

    assert all(scroll <= width for scroll, width in zip(scrolled, widths, strict=True)), scrolled
    assert found.requested() == [page.as_uri()] * len(widths)
    assert found.complaints() == []


def test_page_has_no_barrier(page: Path, tmp_path: Path) -> None:
    """axe-core finds nothing wrong, with every fold open, in light and dark."""
    script = axe_script()
    if script is None:
        pytest.skip(AXE_REMEDY)

    light, dark = asyncio.run(_axe(page, tmp_path, script))

    for found in (light, dark):
        violations = found["violations"]
        assert [f"{one['id']}: {one['help']} {one['nodes'][:2]}" for one in violations] == []
        assert found["passes"] > 15


async def _axe(page: Path, tmp_path: Path, script: str) -> list[dict[str, Any]]:
    """In light and dark: violations with their places, and how many rules passed."""
    async with browser(tmp_path / "profile") as shown:
        return [await _axe_of(shown, page, script, is_dark=is_dark) for is_dark in (False, True)]


async def _axe_of(shown: Browser, page: Path, script: str, *, is_dark: bool) -> dict[str, Any]:
    await shown.show(page, width=1280, is_dark=is_dark)
    await shown.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    await shown.value(f"{script};0")
    answer = await shown.value(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', "
        "'best-practice']}).then(found => JSON.stringify({passes: found.passes.length, "
        "violations: found.violations.map(one => ({id: one.id, help: one.help, "
        "nodes: one.nodes.map(node => node.html.slice(0, 300))}))}))"
    )
    found: dict[str, Any] = json.loads(answer)
    return found


def test_barrier_is_found(tmp_path: Path) -> None:
    """A page with a grey text on grey and a table without heads is not let through."""
    script = axe_script()
    if script is None:
        pytest.skip(AXE_REMEDY)
    broken = tmp_path / "broken.html"
    broken.write_text(
        "<!DOCTYPE html><html><head><title>t</title></head><body><main><h1>h</h1>"
        "<p style='color:#999;background:#888'>hard to read</p><img src='data:,'></main></body>"
    )

    for found in asyncio.run(_axe(broken, tmp_path, script)):
        assert {"color-contrast", "html-has-lang", "image-alt"} <= {
            one["id"] for one in found["violations"]
        }


def test_tables_sort(tmp_path: Path) -> None:
    """A head's button sorts by number, down and then up, says so, and leaves the sums below."""
    written = write_pages(fixtures.valid_matrix(), tmp_path)[0]
    column = 3
    values = (
        "[...document.querySelectorAll('#run-1-footprint tbody tr')]"
        f".map(row => Number(row.cells[{column}].dataset.sort))"
    )
    head = f"document.querySelectorAll('#run-1-footprint thead th')[{column}]"

    async def click_twice() -> list[Any]:
        found: list[Any] = []
        async with browser(tmp_path / "profile") as shown:
            await shown.show(written, width=1280)
            for _ in range(2):
                await shown.value(f"{head}.querySelector('button').click()")
                found += [await shown.value(f"{head}.ariaSort"), await shown.value(values)]
        return found

    first, down, second, up = asyncio.run(click_twice())

    assert (first, second) == ("descending", "ascending")
    assert down == sorted(down, reverse=True)
    assert up == sorted(up)
    assert len(down) == len(fixtures.valid_run().processes)


def test_many_runs_fold_open_and_sort(tmp_path: Path) -> None:
    """A link to a folded run opens it; a promise's column sorts within each scenario."""
    written = write_pages(fixtures.wide_matrix(), tmp_path)[0]
    severities = (
        "[...document.querySelectorAll('#board tbody:not(.title)')]"
        ".map(body => [...body.rows].map(row => Number(row.cells[3].dataset.sort)))"
    )

    async def look() -> tuple[list[bool], list[list[int]], int, int]:
        async with browser(tmp_path / "profile") as shown:
            await shown.show(written, width=1280)
            state = "document.querySelector('#run-2 details').open"
            before = await shown.value(state)
            await shown.value("document.querySelector('#board a[href=\"#run-2\"]').click()")
            await shown.value("new Promise(done => setTimeout(done, 100))")
            after = await shown.value(state)
            await shown.value("document.querySelectorAll('#board thead button')[3].click()")
            found = await shown.value(severities)
            await shown.show(written, width=1280, has_script=False)
            rows = await shown.ask("DOM.getDocument", depth=-1)
            return [before, after], found, str(rows).count("'TBODY'"), len(shown.complaints())

    folds, found, bodies, complaints = asyncio.run(look())

    assert folds == [False, True]
    assert [len(body) for body in found] == [7, 1]
    assert all(body == sorted(body) for body in found)
    assert max(found[0]) == 6
    assert bodies > 4
    assert complaints == 0


def test_paper_has_every_page(tmp_path: Path) -> None:
    """The page prints, on a number of sheets that somebody could read."""
    written = write_pages(fixtures.invalid_matrix(), tmp_path)[0]

    async def printed() -> bytes:
        async with browser(tmp_path / "profile") as shown:
            await shown.show(written, width=1280)
            return await shown.pdf()

    data = asyncio.run(printed())

    assert data.startswith(b"%PDF")
    assert 5 <= data.count(b"/Type /Page\n") <= 25
