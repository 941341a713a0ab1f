"""What crews and flows work with: the LLM through CrewAI's own client, and the one tool."""

from typing import Any

import httpx
from crewai import LLM, Agent
from crewai.tools import BaseTool
from pydantic import PrivateAttr

from harness.engines.contract import Surroundings
from harness.engines.llm import MODEL, TIMEOUT_S, TOOLS

_FUNCTION = TOOLS[0]["function"]


class Record(BaseTool):  # type: ignore[misc] # CrewAI is not followed by the type checker.
    """The tool: it posts an effect and returns the receipt verbatim.

    CrewAI hands no idempotency key to a tool, not even the id of the LLM's call. All fields of a
    tool go into the checkpoints of every flow that made an agent with it; one that cannot be
    written makes each of them fail, with a line in the log. So the client is private.
    """

    name: str = _FUNCTION["name"]
    description: str = _FUNCTION["description"]
    url: str = ""
    _http: httpx.Client = PrivateAttr(default_factory=lambda: httpx.Client(timeout=TIMEOUT_S))
    """Shared by all threads."""

    def _run(self, agent: str, path: str, value: str) -> str:
        body = {"agent": agent, "path": path, "value": value}
        answer = self._http.post(self.url, json=body)
        answer.raise_for_status()
        receipt: str = answer.json()["receipt"]
        return receipt


class Means:
    """One LLM and one tool for all agents of a process; they live as long as it does.

    The model's name is none that CrewAI knows, so that it must be told that the endpoint speaks
    OpenAI's protocol; with ``openai/`` before such a name it would go through LiteLLM and, in
    doubt about native tool calls, through ReAct prompts. Address and key come from the environment.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        """Make both."""
        self.llm = LLM(model=MODEL, custom_openai=True)
        self.tool = Record(url=surroundings.effects_url)

    def analyst(self) -> Any:
        """An agent without tools; one a task, since an agent runs one task at a time."""
        return Agent(
            role="Analyst",
            goal="Answer what is asked, precisely",
            backstory="You read what others found and draw conclusions from it.",
            llm=self.llm,
        )

    def recorder(self) -> Any:
        """An agent with the tool."""
        return Agent(
            role="Recorder",
            goal="Record what was found",
            backstory="You write every finding down before you go on.",
            llm=self.llm,
            tools=[self.tool],
        )

    def agent_for(self, kind: str) -> Any:
        """The agent that does a step of this kind."""
        return self.recorder() if kind == "tools" else self.analyst()
