"""DBOS: an agent is a durable workflow, each LLM or tool call a step; recovery is native."""
