"""The fixtures of these tests."""

from far import host, local_jupyter, sshd

__all__ = ["host", "local_jupyter", "sshd"]
