"""A real browser for looking at pages: headless Chromium over its DevTools protocol.

Used by tests/integration/test_page.py and by scripts/gallery.py. Chromium is the system's own;
nothing is downloaded.
"""

import asyncio
import base64
import itertools
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REMEDY = "no chromium; get it with `apt-get install chromium`"
DEADLINE_S = 30
HEIGHT_MAX = 8000
"""Pixels of a screenshot; Chromium's own limit is 16,384."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


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

    async def show(
        self, page: Path, *, width: int, is_dark: bool = False, has_script: bool = True
    ) -> None:
        """Open the page at that width and wait until it has loaded."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])
        await self.ask("Emulation.setScriptExecutionDisabled", value=not has_script)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable")
        seen = len(self.events)
        await self.ask("Page.navigate", url=page.as_uri())
        while not any(one.get("method") == "Page.loadEventFired" for one in self.events[seen:]):
            self.events.append(await self.socket.receive_json())

    async def value(self, expression: str) -> Any:
        """What an expression gives in the page; a promise is awaited."""
        found = await self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def screenshot(self, *, width: int, height: int = 0, top: int = 0) -> bytes:
        """A PNG of the page; without a height, of all of it up to `HEIGHT_MAX`."""
        whole = await self.value("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": top, "width": width, "scale": 1}
        clip["height"] = height or min(int(whole) - top, HEIGHT_MAX)
        found = await self.ask(
            "Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True
        )
        return base64.b64decode(found["data"])

    async def pdf(self) -> bytes:
        """The page as it prints, on A4."""
        found = await self.ask(
            "Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69
        )
        return base64.b64decode(found["data"])

    def complaints(self) -> list[dict[str, Any]]:
        """Exceptions, and whatever went to the console."""
        loud = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event for event in self.events if event.get("method") in loud]

    def requested(self) -> list[str]:
        """Addresses that the page asked for; data in the page itself is none."""
        urls = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith("data:")]


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """A browser of our own, ended with the block; ``folder`` takes its profile."""
    assert CHROMIUM is not None, REMEDY
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
            async with (
                asyncio.timeout(4 * DEADLINE_S),
                session.ws_connect(url, max_msg_size=0) as socket,
            ):
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
