"""``ranvier check``: claims measured beside their controls, one process a core, and resumable."""

from ranvier.cli.checks.command import check

__all__ = ["check"]
