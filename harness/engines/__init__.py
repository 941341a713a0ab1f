"""Engines under test, a package each: adapter (our side), worker and agent (a pod's side).

The registry is a module of its own, so that a worker process imports only its own package.
"""
