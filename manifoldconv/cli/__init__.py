"""The command line: parse, call, show. Commands: info, convolve, exp, demo."""

from manifoldconv.cli.main import app, main

__all__ = ["app", "main"]
