"""The worker of a pod: `python -m harness.engines.dapr_workflow.worker`."""

import grpc
from dapr.ext.workflow import WorkflowRuntime

from harness.engines.contract import Surroundings, about_of, main
from harness.engines.dapr_client import MessagedWorker, WorkflowWorker
from harness.engines.dapr_workflow.adapter import DaprWorkflow
from harness.engines.dapr_workflow.agent import MEMBER, RENEWED, REPORTING, WORKFLOW, runtime
from harness.engines.messages import has_broker


def _connect() -> WorkflowRuntime:
    made = runtime()
    # durable
    made.start()
    return made


def _worker(surroundings: Surroundings) -> WorkflowWorker:
    spec = DaprWorkflow().spec(surroundings.variant)
    about = about_of(spec, "dapr", "dapr-ext-workflow")
    if has_broker():
        return MessagedWorker(
            about,
            workflow=REPORTING,
            member=MEMBER,
            connect=_connect,
            surroundings=surroundings,
            is_subscribing=spec.is_subscribing,
        )
    workflow = RENEWED if surroundings.variant == "continue-as-new" else WORKFLOW
    return WorkflowWorker(about, workflow=workflow, connect=_connect)


if __name__ == "__main__":
    grpc.aio.init_grpc_aio()
    main(_worker)
