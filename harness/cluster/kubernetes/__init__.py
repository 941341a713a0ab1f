"""The second back end: pods of a Kubernetes cluster, struck and watched through its API."""
