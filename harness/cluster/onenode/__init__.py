"""A real Kubernetes cluster of one node, thrown away after use, in namespaces of its own.

`starter` brings it up and takes it down; `keeper` outlives the starter and leaves nothing behind;
`init` is process 1 inside. Nothing of it reaches the machine's network: network, mounts and process
ids are private, and all of it dies with one process. docs/cluster.md describes it.
"""
