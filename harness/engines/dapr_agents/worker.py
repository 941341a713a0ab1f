"""The worker of a pod: `python -m harness.engines.dapr_agents.worker`.

The framework takes seconds to import; the pod is not ready before.
"""

import os

if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ:
    # The framework's own words: DurableAgent sets up exporter and instrumentor by them.
    os.environ |= {
        "OTEL_SDK_DISABLED": "false",
        "OTEL_TRACING_ENABLED": "true",
        "OTEL_TRACES_EXPORTER": "otlp_http",
    }
else:
    os.environ["OTEL_SDK_DISABLED"] = "true"  # Read at import; nothing is sent to anybody.


import grpc
from dapr.ext.workflow import WorkflowRuntime

from harness.engines.contract import Surroundings, about_of, main
from harness.engines.dapr_agents.adapter import HOSTED, DaprAgents
from harness.engines.dapr_agents.agents import make_hosted
from harness.engines.dapr_agents.hosting import HostedWorker
from harness.engines.dapr_agents.programs import WORKFLOW, Programs
from harness.engines.dapr_client import WorkflowWorker


def _worker(surroundings: Surroundings) -> WorkflowWorker:
    spec = DaprAgents().spec(surroundings.variant)

    def connect() -> WorkflowRuntime:
        return Programs(spec.variant).runtime

    about = about_of(spec, "dapr", "dapr-ext-workflow", "dapr-agents")
    if spec.variant in HOSTED:
        return HostedWorker(about, make=make_hosted, surroundings=surroundings)
    return WorkflowWorker(about, workflow=WORKFLOW, connect=connect)


if __name__ == "__main__":
    grpc.aio.init_grpc_aio()
    main(_worker)
