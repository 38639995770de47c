"""The entry of the command line, and how whatever goes wrong becomes one line and an exit status."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from manifoldconv.cli.bench import bench
from manifoldconv.cli.cache import cache
from manifoldconv.cli.check import check
from manifoldconv.cli.convolve import convolve
from manifoldconv.cli.demo import demo
from manifoldconv.cli.exponential import exponential
from manifoldconv.cli.holonomy import holonomy
from manifoldconv.cli.info import info
from manifoldconv.cli.kernels import kernels
from manifoldconv.cli.precompute import precompute
from manifoldconv.cli.predict import predict
from manifoldconv.cli.remesh import remesh
from manifoldconv.cli.train import train
from manifoldconv.cli.view import view

app = typer.Typer(
    help="Convolve signals on triangle meshes with kernels on the tangent spaces.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: its panels leave 18 columns of a terminal to the words
    pretty_exceptions_enable=False,
)
app.command("info")(info)
app.command("check")(check)
app.command("remesh")(remesh)
app.command("convolve")(convolve)
app.command("exp")(exponential)
app.command("holonomy")(holonomy)
app.command("kernels")(kernels)
app.command("view")(view)
app.command("demo")(demo)
app.command("precompute")(precompute)
app.command("cache")(cache)
app.command("train")(train)
app.command("predict")(predict)
app.command("bench")(bench)

# The base of typer's own usage errors, which its versions keep in different places.
_UsageError: type[Exception] = next(
    kind
    for kind in typer.BadParameter.__mro__
    if kind.__name__ == "ClickException" and issubclass(kind, Exception)
)

DONE, BAD_INPUT, INTERRUPTED = 0, 2, 130


def _print_version(wanted: bool) -> None:
    if wanted:
        from manifoldconv import __version__

        typer.echo(f"manifoldconv {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line: exit status 0 when done, 2 for bad input, with one line on standard error.

    Args:
        arguments: without the program's name; default `sys.argv[1:]`.

    >>> main(["--version"])
    manifoldconv 0.1.0
    0
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # Commands show the package's own warnings as notes; those of libraries are not for the user.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status = app(args=given, prog_name="manifoldconv", standalone_mode=False)
        sys.stdout.flush()
    except _UsageError as error:
        message = error.format_message()  # type: ignore[attr-defined]
        if not message:  # no arguments: the help was shown instead
            return BAD_INPUT
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "manifoldconv"
        return _refuse(f"{message.rstrip('.')}; see {command} --help")
    except (KeyboardInterrupt, typer.Abort):
        print("manifoldconv: interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output (`| head`) has seen enough; keep the interpreter from writing to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except MemoryError as error:
        found = f": {error}" if str(error) else ""
        return _refuse(f"not enough memory{found}; take a smaller mesh, a smaller radius or fewer nodes")
    except OSError as error:
        known = error.strerror and error.filename
        return _refuse(f"{error.filename}: {error.strerror}" if known else str(error))
    except (ValueError, ImportError) as error:
        return _refuse(str(error))
    return status if isinstance(status, int) else DONE


def _refuse(message: str) -> int:
    """One line on standard error, and the exit status of bad input."""
    print(f"manifoldconv: error: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT
