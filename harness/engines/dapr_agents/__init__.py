"""Dapr Agents: DurableAgent and LLM activities as Dapr workflows; recovery is native."""
