"""The processes of a running engine: the only place that knows every layer."""
