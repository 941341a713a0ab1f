"""onceproof's harness: starts durable agents, breaks their pods, judges by outside evidence."""

__version__ = "0.1.0"
