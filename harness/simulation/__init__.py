"""A model of a real run under another load: settings from its measurements, queues, figures."""
