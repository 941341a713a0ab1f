"""The driver: offers the load to the worker contract, open loop, in a process of its own."""
