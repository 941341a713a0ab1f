"""The sink of spans: an OTLP/HTTP server of the run's own, as a process. Nobody imports it."""
