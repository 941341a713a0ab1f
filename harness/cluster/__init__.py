"""The operating system's side: processes, ports, pods, the keeper. Everything above asks this."""
