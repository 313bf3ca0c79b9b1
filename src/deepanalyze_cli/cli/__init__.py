"""The command line: one file a command group, and the only place that prints errors and picks exit codes."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer

from ..errors import DeepAnalyzeError, ExitCode
from . import analyze, diff, doctor, eval, export, models, replay, verify, why

app = typer.Typer(
    name="deepanalyze",
    help="A local data analyst: reads your data, thinks, runs code, and leaves a notebook and a report you can check.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("analyze")(analyze.analyze)
app.command("verify")(verify.verify)
app.command("replay")(replay.replay)
app.command("why")(why.why)
app.command("diff")(diff.diff)
app.command("export")(export.export)
app.command("eval")(eval.evaluate)
app.command("doctor")(doctor.doctor)
app.add_typer(models.app, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"deepanalyze {version('deepanalyze-cli')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A local data analyst: reads your data, thinks, runs code, and leaves a notebook and a report you can check."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(ExitCode.USAGE)


def main() -> None:
    """Run the command line and exit with one of `ExitCode`."""
    try:
        sys.exit(app(standalone_mode=False) or ExitCode.OK)
    except DeepAnalyzeError as error:
        sys.exit(_tell(error.message, error.fix, error.exit_code))
    except BrokenPipeError:
        # Whoever read our output has gone; nothing can be told to it any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.UNEXPECTED)
    except Exception as error:
        if complaint := getattr(error, "format_message", None):  # an option; Typer keeps the class of these to itself
            sys.exit(_tell(complaint(), f"see `{_command(error)} --help`", ExitCode.USAGE))
        if os.environ.get("DEEPANALYZE_DEBUG"):
            raise
        why = f"{type(error).__name__}: {error}"
        sys.exit(_tell(why, "set DEEPANALYZE_DEBUG=1 for the traceback", ExitCode.UNEXPECTED))


def _command(error: Exception) -> str:
    """The command that was meant, as far as it was understood."""
    context = getattr(error, "ctx", None)
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name)
        context = context.parent
    return " ".join(["deepanalyze", *names])


def _tell(message: str, fix: str, code: ExitCode) -> int:
    """One line on stderr; with `--json`, the same as the one document on stdout."""
    from ..outputs.text import one_line

    message, fix = one_line(message, 400).removesuffix("."), one_line(fix, 400)
    if "--json" in sys.argv[1:]:
        error = {"code": int(code), "message": message, "fix": fix}
        print(json.dumps({"ok": False, "error": error}, ensure_ascii=False))
    print(f"deepanalyze: {message}" + (f" -- {fix}" if fix else ""), file=sys.stderr)
    return int(code)
