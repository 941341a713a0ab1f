"""Finds or builds what a run needs of this machine: the Dapr runtime, a Redis server."""
