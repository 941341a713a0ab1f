"""Dapr Workflow: agents as workflows, LLM and tool calls as activities; recovery is native."""
