"""The page in a real browser: no error, no request, no overflow, tables that sort.

Skipped where there is no Chromium; `apt-get install chromium` brings one.
"""

import asyncio
import itertools
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from reports.pages import write_pages
from tests import report_fixtures as fixtures

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DEADLINE_S = 30
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium; get it with apt-get"),
]


class Browser:
    """One page over the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events on the way are kept."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        while True:
            found: dict[str, Any] = await self.socket.receive_json()
            if found.get("id") == number:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result
            self.events.append(found)

    async def show(self, page: Path, *, width: int) -> None:
        """Open the page at that width and wait until it has loaded."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable")
        await self.ask("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(await self.socket.receive_json())

    async def value(self, expression: str) -> Any:
        """What an expression gives in the page."""
        found = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """A browser of our own, ended with the test."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={folder}",
        "about:blank",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            port = await _port(folder / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    targets = await answer.json()
                url = next(one["webSocketDebuggerUrl"] for one in targets if one["type"] == "page")
                async with session.ws_connect(url, max_msg_size=0) as socket:
                    yield Browser(socket)
    finally:
        process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()


async def _port(path: Path) -> int:
    while True:
        if path.exists() and (lines := path.read_text().splitlines()):
            return int(lines[0])
        await asyncio.sleep(0.05)


@pytest.fixture(scope="module", params=["wide", "invalid", "hostile", "unjudged"])
def page(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("page")
    yield write_pages(fixtures.MATRICES[request.param](), folder)[0]


@pytest.mark.parametrize("width", [400, 1280])
def test_page_fits_loads_nothing_and_has_no_error(page: Path, tmp_path: Path, width: int) -> None:
    """No sideways scrolling of the page, no request but itself, nothing on the console."""

    async def look() -> tuple[int, list[dict[str, Any]]]:
        async with browser(tmp_path / "profile") as found:
            await found.show(page, width=width)
            return await found.value("document.documentElement.scrollWidth"), found.events

    scroll_width, events = asyncio.run(look())

    requested = [
        event["params"]["request"]["url"]
        for event in events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert scroll_width <= width
    assert [url for url in requested if not url.startswith("data:")] == [page.as_uri()]
    assert not [
        event
        for event in events
        if event.get("method")
        in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    ]


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
