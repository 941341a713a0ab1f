"""What nodes call: the LLM through LangChain's client, and the one tool.

The client is told nothing but the model: address and key come from the environment, and its two
retries are its documented default.
"""

from dataclasses import dataclass

from langchain_core.messages import HumanMessage
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI

from harness.engines.llm import MODEL, TOOLS, Llm


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The LLM, and the tool that it may use."""

    chat: ChatOpenAI
    tool: StructuredTool

    @classmethod
    def of(cls, llm: Llm) -> "Effects":
        """Make both. The tool posts without a key: LangGraph hands none to a tool."""

        async def record(agent: str, path: str, value: str) -> str:
            return await llm.effect(agent, path, value, None)

        function = TOOLS[0]["function"]
        tool = StructuredTool.from_function(
            coroutine=record, name=function["name"], description=function["description"]
        )
        return cls(chat=ChatOpenAI(model=MODEL), tool=tool)

    async def answer(self, prompt: str) -> str:
        """One LLM call, without tools."""
        reply = await self.chat.ainvoke([HumanMessage(prompt)])
        return str(reply.text)
