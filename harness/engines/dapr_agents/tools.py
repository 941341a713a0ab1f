"""The tool `record`, in the forms that the framework knows: a function, MCP, a crew's work.

A tool of this framework gets its arguments and nothing else: no workflow, no task execution id. So
the effect is posted without an idempotency key.
"""

import asyncio
import os
import socket
import threading
import warnings

import uvicorn
from dapr.ext.workflow import DaprMCPClient
from dapr_agents import AgentTool, tool
from dapr_agents.tool.mcp import mcp_tool_def_to_workflow_tool
from dapr_agents.tool.mcp.client import MCPClient

from harness.engines.dapr_agents.effects_server import MCP_SERVER, effects_server, record
from harness.engines.llm import MODEL

QUIET_CREW = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TRACING_ENABLED": "false",
}
"""Read when it is imported; nothing may leave loopback."""


def tools_of(kind: str) -> list[AgentTool]:
    """The tool as the variant wants it: ``function``, ``mcp``, ``mcp-durable`` or ``crew``."""
    if kind == "mcp":
        return mcp_tools()
    if kind == "mcp-durable":
        return durable_mcp_tools()
    return [tool(_through_a_crew() if kind == "crew" else record)]


def mcp_tools() -> list[AgentTool]:
    """Serve `record` by MCP on loopback in this process, and fetch it with the framework's client.

    The client opens a session per call. It is deprecated in 1.0.9 in favour of `DaprMCPClient`.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(effects_server().streamable_http_app(), log_level="warning")
    serving = uvicorn.Server(config)
    threading.Thread(target=serving.run, args=([listening],), daemon=True).start()
    return asyncio.run(_fetched(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"))


async def _fetched(url: str) -> list[AgentTool]:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        client = MCPClient()
    await client.connect_streamable_http(MCP_SERVER, url)
    tools: list[AgentTool] = client.get_all_tools()
    return tools


def durable_mcp_tools() -> list[AgentTool]:
    """The tools of the sidecar's MCPServer resource; each call is a child workflow of Dapr's."""
    client = DaprMCPClient()
    client.connect(MCP_SERVER)
    return [mcp_tool_def_to_workflow_tool(one) for one in client.get_all_tools()]


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
