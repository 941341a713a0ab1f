"""Programs as graphs, in the ways that LangGraph's documentation shows.

A step is a node with one effect: an LLM call or a tool call. Edges lead from step to step; parallel
branches are several edges out and one edge of several in; a tool loop is a conditional edge with a
Send for each call; a route is a conditional edge, a plan a Send for each task, an evaluator a
conditional edge at the end of each round; a child agent is a subgraph; an event is an interrupt().

Programs of one shape share one compiled graph: prompts are input, not structure.
"""

import operator
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, Send, interrupt

from harness.engines.langgraph.effects import Effects
from harness.engines.langgraph.loop import walk
from harness.engines.shapes import prompts_of, shape_of
from harness.engines.walk import branches_of, fill, is_accepted
from harness.scenario import Program, Step

Update = dict[str, Any]
Conversations = dict[str, list[AnyMessage]]


def extended(left: Conversations, right: Conversations) -> Conversations:
    """Reducer: append to the conversation of each step."""
    return left | {path: [*left.get(path, []), *new] for path, new in right.items()}


class State(TypedDict, total=False):
    """What a thread carries from node to node."""

    prompts: dict[str, str]
    """Path -> prompt of every step; the input, never changed."""
    answers: Annotated[dict[str, str], operator.or_]
    """Path -> answer."""
    messages: Annotated[Conversations, extended]
    """Path of a tools step -> its conversation so far."""


class Answers(TypedDict):
    """What a subgraph gives back."""

    answers: dict[str, str]


def input_of(program: Program) -> State:
    """The input of a thread."""
    return {"prompts": prompts_of(program.steps), "answers": {}, "messages": {}}


class Graphs:
    """The compiled graphs of one process, a graph a shape."""

    def __init__(self, effects: Effects, saver: object, *, is_naive: bool) -> None:
        self._effects = effects
        self._saver = saver
        self._is_naive = is_naive
        self._compiled: dict[tuple[Step, ...], Any] = {}

    def of(self, program: Program) -> Any:
        """The graph of a program, compiled at first use."""
        shape = shape_of(program.steps)
        if shape not in self._compiled:
            graph = StateGraph(State)
            builder = Coarse if self._is_naive else Fine
            builder(graph, self._effects).add(shape)
            self._compiled[shape] = graph.compile(checkpointer=self._saver)
        return self._compiled[shape]


class Fine:
    """A graph with one effect per node."""

    def __init__(self, graph: Any, effects: Effects) -> None:
        self._graph = graph
        self._effects = effects
        self._edges: list[tuple[str | list[str], str]] = []
        self._add = {
            "say": self._say,
            "tools": self._tools,
            "parallel": self._parallel,
            "route": self._route,
            "plan": self._plan,
            "judge": self._judge,
            "child": self._child,
            "receive": self._receive,
        }

    def add(self, steps: Sequence[Step]) -> None:
        """Add a sequence of steps, from START to END."""
        self._edge(START, _entries(steps[0]))
        self._sequence(steps, [END])
        for start, end in self._edges:
            self._graph.add_edge(start, end)

    def _sequence(self, steps: Sequence[Step], then: list[str]) -> None:
        """Add steps one after another; the last one leads to ``then``."""
        entries = [*map(_entries, steps), then]
        for step, after in zip(steps, entries[1:], strict=True):
            self._add[step.kind](step, after)

    def _node(self, name: str, action: Callable[..., Awaitable[Update]]) -> None:
        self._graph.add_node(name, action, retry_policy=RetryPolicy())

    def _edge(self, start: str | list[str], then: list[str]) -> None:
        """To each of the next nodes; added last, as both ends must be there."""
        self._edges += [(start, end) for end in then]

    def _say(self, step: Step, then: list[str]) -> None:
        self._node(step.path, self._asking(step.path))
        self._edge(step.path, then)

    def _asking(self, path: str) -> Callable[[State], Awaitable[Update]]:
        async def ask(state: State) -> Update:
            return {"answers": {path: await self._effects.answer(_prompt(state, path))}}

        return ask

    def _tools(self, step: Step, then: list[str]) -> None:
        path, tool_node = step.path, f"{step.path}.tools"
        chat = self._effects.chat.bind_tools([self._effects.tool])

        async def ask(state: State) -> Update:
            said = state["messages"].get(path, [])
            asked = [] if said else [HumanMessage(_prompt(state, path))]
            reply = await chat.ainvoke([*said, *asked])
            answers = {} if reply.tool_calls else {path: str(reply.text)}
            return {"messages": {path: [*asked, reply]}, "answers": answers}

        async def use_tool(call: Update) -> Update:
            return {"messages": {path: [await self._effects.tool.ainvoke(call)]}}

        def go_on(state: State) -> list[Any]:
            calls = state["messages"][path][-1].tool_calls
            return [Send(tool_node, call) for call in calls] or then

        self._node(path, ask)
        self._node(tool_node, use_tool)
        self._graph.add_conditional_edges(path, go_on, [tool_node, *then])
        self._graph.add_edge(tool_node, path)

    def _parallel(self, step: Step, then: list[str]) -> None:
        """Fan out and in; a branch of several steps is a subgraph, which waits for no other."""
        for branch, entry in zip(step.branches, _entries(step), strict=True):
            if len(branch) == 1 and branch[0].kind == "say":
                self._node(entry, self._asking(entry))
            else:
                self._graph.add_node(entry, self._subgraph(branch))
        self._edge(_entries(step), then)

    def _route(self, step: Step, then: list[str]) -> None:
        """The answer chooses the branch that the edges lead to."""

        def choose(state: State) -> list[str]:
            (branch,) = branches_of(step, state["answers"][step.path])
            return _entries(branch[0])

        self._node(step.path, self._asking(step.path))
        starts = [entry for branch in step.branches for entry in _entries(branch[0])]
        self._graph.add_conditional_edges(step.path, choose, starts)
        for branch in step.branches:
            self._sequence(branch, then)

    def _plan(self, step: Step, then: list[str]) -> None:
        """A worker node, sent to once for each task that the answer delegates."""
        worker = f"{step.path}.worker"

        async def work(task: dict[str, str]) -> Update:
            return {"answers": {task["path"]: await self._effects.answer(task["prompt"])}}

        def delegate(state: State) -> list[Send]:
            tasks = [task for (task,) in branches_of(step, state["answers"][step.path])]
            return [Send(worker, {"path": task.path, "prompt": task.prompt}) for task in tasks]

        self._node(step.path, self._asking(step.path))
        self._node(worker, work)
        self._graph.add_conditional_edges(step.path, delegate, [worker])
        self._edge(worker, then)

    def _judge(self, step: Step, then: list[str]) -> None:
        """Rounds, each with a conditional edge at its end: go on, or to the next round.

        Every round has prompts of its own in the program, so it has nodes of its own, too.
        """
        nexts = [*(_entries(one[0]) for one in step.branches[1:]), then]
        for one, after in zip(step.branches, nexts, strict=True):
            verdict = one[-1].path
            self._sequence(one[:-1], [verdict])
            self._node(verdict, self._asking(verdict))
            self._graph.add_conditional_edges(
                verdict, _judging(verdict, then, after), list({*then, *after})
            )

    def _child(self, step: Step, then: list[str]) -> None:
        self._graph.add_node(step.path, self._subgraph(step.branches[0]))
        self._edge(step.path, then)

    def _subgraph(self, steps: Sequence[Step]) -> Any:
        graph = StateGraph(State, output_schema=Answers)
        Fine(graph, self._effects).add(steps)
        return graph.compile()

    def _receive(self, step: Step, then: list[str]) -> None:
        def wait(state: State) -> Update:
            return {"answers": {step.path: interrupt(step.path)}}

        self._graph.add_node(step.path, wait)
        self._edge(step.path, then)


def _judging(verdict: str, accepted: list[str], revised: list[str]) -> Callable[[State], list[str]]:
    def judge(state: State) -> list[str]:
        return accepted if is_accepted(state["answers"][verdict]) else revised

    return judge


def _entries(step: Step) -> list[str]:
    """Nodes that the edges to a step lead to."""
    if step.kind == "judge":
        return _entries(step.branches[0][0])
    if step.kind != "parallel":
        return [step.path]
    return [
        branch[0].path if len(branch) == 1 else f"{step.path}.branch{number}"
        for number, branch in enumerate(step.branches)
    ]


class Coarse:
    """A graph of two nodes with plain code in them: all the work, and the conclusion."""

    def __init__(self, graph: Any, effects: Effects) -> None:
        self._graph = graph
        self._effects = effects

    def add(self, steps: Sequence[Step]) -> None:
        """Add a sequence of steps, from START to END."""
        parts = {"work": steps[:-1], "conclude": steps[-1:]}
        names = [name for name, part in parts.items() if part]
        for name in names:
            self._graph.add_node(name, self._doing(parts[name]), retry_policy=RetryPolicy())
        for start, end in zip([START, *names], [*names, END], strict=True):
            self._graph.add_edge(start, end)

    def _doing(self, steps: Sequence[Step]) -> Callable[[State], Awaitable[Update]]:
        async def work(state: State) -> Update:
            answers = dict(state["answers"])
            await walk(self._effects, steps, state["prompts"], answers)
            return {"answers": answers}

        return work


def _prompt(state: State, path: str) -> str:
    return fill(state["prompts"][path], state["answers"])
