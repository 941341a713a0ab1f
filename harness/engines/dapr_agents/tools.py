"""The tool `record`, in the forms that the framework knows: a function, MCP, a crew's work.

A tool of this framework gets its arguments and nothing else: no workflow, no task execution id. So
the effect is posted without an idempotency key.
"""

import asyncio
import os
import socket
import threading
import warnings

import httpx
import uvicorn
from dapr_agents import AgentTool, tool
from dapr_agents.tool.mcp.client import MCPClient
from mcp.server.fastmcp import FastMCP

from harness.engines.llm import MODEL, TIMEOUT_S

MCP_SERVER = "effects"
QUIET_CREW = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TRACING_ENABLED": "false",
}
"""Read when it is imported; nothing may leave loopback."""


def record(agent: str, path: str, value: str) -> str:
    """Write a value down and get a receipt for it."""
    posted = httpx.post(
        os.environ["ONCEPROOF_EFFECTS_URL"],
        json={"agent": agent, "path": path, "value": value},
        timeout=TIMEOUT_S,
    )
    receipt: str = posted.raise_for_status().json()["receipt"]
    return receipt


def tools_of(kind: str) -> list[AgentTool]:
    """The tool as the variant wants it: ``function``, ``mcp`` or ``crew``."""
    if kind == "mcp":
        return mcp_tools()
    return [tool(_through_a_crew() if kind == "crew" else record)]


def mcp_tools() -> list[AgentTool]:
    """Serve `record` by MCP on loopback in this process, and fetch it with the framework's client.

    The client opens a session per call. It is deprecated in 1.0.9 in favour of `DaprMCPClient`,
    which needs an MCPServer resource in the sidecar.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    server = FastMCP(MCP_SERVER, stateless_http=True, log_level="WARNING")
    server.tool(structured_output=False)(
        record
    )  # Else the receipt comes twice, as text and as JSON.
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
    serving = uvicorn.Server(config)
    threading.Thread(target=serving.run, args=([listening],), daemon=True).start()
    return asyncio.run(_fetched(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"))


async def _fetched(url: str) -> list[AgentTool]:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        client = MCPClient()
    await client.connect_streamable_http(MCP_SERVER, url)
    tools: list[AgentTool] = client.get_all_tools()
    return tools


def _through_a_crew() -> object:
    """A function of the same name that has a crew of CrewAI look at the value first.

    The framework has no crew as a tool (`dapr_agents.interop` does not exist in 1.0.9); a crew is
    called in a tool's body like any other library, and is no more durable than the tool.
    """
    os.environ |= QUIET_CREW
    os.environ["CREWAI_STORAGE_DIR"] = f"{os.environ['ONCEPROOF_STATE_DIR']}/crewai"
    from crewai import LLM, Agent, Crew, Task  # noqa: PLC0415 - seconds, and for this variant only

    llm = LLM(model=f"openai/{MODEL}", base_url=os.environ["OPENAI_BASE_URL"])

    async def record_with_crew(agent: str, path: str, value: str) -> str:
        """Write a value down and get a receipt for it."""
        reviewer = Agent(role="Reviewer", goal="Approve.", backstory="Careful.", llm=llm)
        task = Task(description=f"Look at {path}.", expected_output="One word.", agent=reviewer)
        await Crew(agents=[reviewer], tasks=[task]).kickoff_async()
        return await asyncio.to_thread(record, agent, path, value)

    record_with_crew.__name__ = record.__name__
    return record_with_crew
