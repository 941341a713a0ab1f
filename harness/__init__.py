"""onceproof's harness: starts durable agents, breaks their pods, and judges from outside evidence."""

__version__ = "0.1.0"
