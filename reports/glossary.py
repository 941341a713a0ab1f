"""The words of a report, each in a sentence; shown at its end and used nowhere else."""

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("agent", "One instance of a program of steps that must survive crashes."),
    ("step", "One unit of an agent's program: an LLM answer, with the tool calls in it."),
    ("attempt", "One execution of a step. A second attempt of a step is a repeat."),
    (
        "witness",
        "The mock LLM and the effects endpoint, outside the engine. What they saw is the evidence.",
    ),
    ("ledger", "The witness's record of every request; sequence numbers point into it."),
    ("used", "A step's result is used once a later request, or the outcome, carries its receipt."),
    ("exposed", "Begun and not yet used when a fault struck: what the fault could have harmed."),
    ("exactly-once commit", "Of each step exactly one result is in the lineage of the outcome."),
    ("exactly-once effect", "A tool is called once. Few engines promise this, and none can alone."),
    (
        "herd index",
        "Of the tries again after a 429, the share within 50 ms of another agent's with an equal "
        "Retry-After; beside it what even spreading would give.",
    ),
    ("fault window", "From the moment a fault fires until health is seen again."),
    ("victim resume time", "From the fault until a struck agent's first newly used step."),
    (
        "native, assisted, none",
        "Who resumes the agents after a crash: the engine; the supervisor, as the framework's "
        "documentation tells its users to; nobody.",
    ),
    (
        "local pod",
        "A worker and its sidecar as processes of one group on one machine; not a Kubernetes pod.",
    ),
    ("control", "A loop of ours that must be refuted (naive) or must stand (guarded)."),
    (
        "bound at 95 %",
        "Nothing was found in n trials. A true rate above the bound would have shown itself with "
        "95 % likelihood. It takes the trials as independent.",
    ),
    ("unknown", "The evidence does not suffice. It is not a pass."),
    ("skipped", "The machine lacks something; the reason says how to get it."),
)
