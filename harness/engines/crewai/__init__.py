"""CrewAI: an agent is a crew, or a flow with a method a step; recovery is assisted."""
