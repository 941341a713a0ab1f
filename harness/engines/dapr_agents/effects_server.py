"""The tool `record` as an MCP server: over HTTP in the worker, or by itself over its own pipes.

`python -m harness.engines.dapr_agents.effects_server` is what a sidecar runs that has
components/mcp-effects.yaml; it ends when the sidecar does, by the end of its input.
"""

import os

import httpx
from mcp.server.fastmcp import FastMCP

from harness.engines.llm import TIMEOUT_S

MCP_SERVER = "effects"


def record(agent: str, path: str, value: str) -> str:
    """Write a value down and get a receipt for it."""
    posted = httpx.post(
        os.environ["ONCEPROOF_EFFECTS_URL"],
        json={"agent": agent, "path": path, "value": value},
        timeout=TIMEOUT_S,
    )
    receipt: str = posted.raise_for_status().json()["receipt"]
    return receipt


def effects_server() -> FastMCP:
    """A server with the one tool."""
    server = FastMCP(MCP_SERVER, stateless_http=True, log_level="WARNING")
    # Structured, the receipt would come twice: as text and as JSON.
    server.tool(structured_output=False)(record)
    return server


if __name__ == "__main__":
    effects_server().run()
