"""The ``catdog`` command."""
