"""The names of things, each a type of its own, and the spellings that others must not re-invent.

A *slot* is a pod's place in the plan (``agents-1``); a *caller* is one incarnation of it
(``agents-1.3``), as it stands in the witness's ledger.
"""

from typing import NewType

AgentId = NewType("AgentId", str)
Slot = NewType("Slot", str)
Caller = NewType("Caller", str)


def caller_of(slot: Slot, incarnation: int) -> Caller:
    """Name the ``incarnation``-th process of a slot, counted from 1."""
    return Caller(f"{slot}.{incarnation}")


def agent_id(index: int) -> AgentId:
    """Name the ``index``-th agent of a plan, counted from 0; sorts like its number."""
    return AgentId(f"a{index:06d}")
