"""MLLP: frames without I/O, a listener, a sender."""
