"""Every engine that the harness can run, by name."""

from harness.engines.control.adapter import Control
from harness.engines.crewai.adapter import CrewAI
from harness.engines.dapr_agents.adapter import DaprAgents
from harness.engines.dapr_workflow.adapter import DaprWorkflow
from harness.engines.dbos.adapter import Dbos
from harness.engines.langgraph.adapter import LangGraph
from harness.engines.reference.adapter import Reference
from harness.protocols import Engine

ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        *(DaprWorkflow(), DaprAgents(), LangGraph(), CrewAI(), Dbos()),
        *(Reference(), Control()),
    )
}
