"""The controls: two plain loops that prove that red and green are both reachable."""
