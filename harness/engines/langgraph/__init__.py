"""LangGraph: an agent is a thread of a StateGraph, a step a node; recovery is assisted."""
