"""The command line: parse, call, show. One file for each command, named in `main`."""

from manifoldconv.cli.main import app, main

__all__ = ["app", "main"]
