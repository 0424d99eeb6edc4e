"""The command line: ``ranvier run stbp``, ``ranvier check stbp`` ... Rooms are loaded when a command needs them."""

from ranvier.cli.app import app, main

__all__ = ["app", "main"]
