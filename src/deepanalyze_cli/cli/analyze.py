"""`deepanalyze analyze`: the main job. Data, model, kernel and run folder are put together here, and nowhere else."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from .. import settings as layered
from ..errors import DeepAnalyzeError, ExitCode, ModelError
from ..events import Event
from ..types import Limits, ModelCard, Run, Task

if TYPE_CHECKING:
    from ..outputs.folder import RunFolder
    from ..outputs.view import QuietView
    from ..settings import Origins, Settings
    from ..workspace import Workspace

QUESTION = "What are the main findings in this data, and what stands out?"
BRIEFING_TOKENS = 1400
"""The most the data card may take of the context, and never more than a fifth of it."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a run the way Ctrl-C does, with its own exit code."""

    exit_code = ExitCode.TERMINATED


def analyze(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders with the data.", show_default=False)],
    question: Annotated[str, typer.Option("--question", help="What you want to know.")] = QUESTION,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A model's name, a .gguf file, or scripted:FILE.", show_default="qwen2.5-coder-1.5b")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the run's folder.", show_default="runs")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Most turns of the model.", show_default="40")] = None,
    max_time: Annotated[str | None, typer.Option(help="Most time: seconds, or 10m, 2h.", show_default="30m")] = None,
    cell_timeout: Annotated[str | None, typer.Option(help="Most time for one cell.", show_default="60s")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sampling.", show_default="0")] = None,
    context: Annotated[int | None, typer.Option(help="Tokens of context.", show_default="as the model's card says")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, no progress.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only the run's folder on stdout.")] = False,
) -> None:
    """Analyse data: think, write code, run it, look at the result; leave a notebook and a report.

    Exit codes: 0 done, 2 wrong usage, 4 a limit was reached (a partial report is written), 5 data, 6 model, 7 kernel,
    130 interrupted.
    """
    flags = {
        "model": model,
        "out": out,
        "max_steps": max_steps,
        "max_time": max_time,
        "cell_timeout": cell_timeout,
        "seed": seed,
        "context": context,
        "offline": offline or None,
    }
    settings, origins = layered.load(flags)
    say = _silent if quiet or as_json else _say
    with _terminable():
        folder, run = _run(paths, question, settings, origins, say, quiet=quiet or as_json)
    code = _exit_code(run)
    _print_result(folder, run, code, as_json=as_json, quiet=quiet)
    raise typer.Exit(int(code))


def _run(
    paths: list[Path], question: str, settings: Settings, origins: Origins, say: Callable[[str], None], *, quiet: bool
) -> tuple[RunFolder, Run]:
    from ..agent import solve
    from ..kernel import JupyterKernel
    from ..models.backends import open_model
    from ..outputs.folder import Notebooks, RunFolder
    from ..outputs.trace import TraceWriter, read_run
    from ..prelude import CAPTURE, parameters, setup
    from ..workspace import card as data_card
    from ..workspace import open_workspace

    card = _card(settings)
    weights = _weights(card, settings, say)
    started = time.monotonic()
    workspace = open_workspace([p.expanduser() for p in paths], on_progress=lambda name: say(f"reading {name}"))
    run_id, when = os.urandom(4).hex(), time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    folder = RunFolder.create(settings.out, _slug(workspace), run_id, when)
    cells = {"parameters": parameters(workspace.data_dir), "setup": setup(workspace.sources, workspace.data_dir)}
    with ExitStack() as stack:
        trace = TraceWriter(folder.trace)
        stack.callback(trace.close)
        say(f"loading {card.name}")
        model = open_model(card, weights, context=settings.context or None)
        stack.callback(model.close)
        say("starting the kernel")
        kernel = stack.enter_context(
            JupyterKernel(
                folder.work,
                prelude=(CAPTURE, cells["parameters"], cells["setup"]),
                environment={"DEEPANALYZE_SCRATCH": str(folder.work.resolve())},
            )
        )
        budget = min(BRIEFING_TOKENS, model.context // 5)
        task = Task(question, workspace.sources, notes=workspace.notes)
        limits = Limits(
            turns=settings.max_steps,
            seconds=max(settings.max_time - (time.monotonic() - started), 1.0),
            cell_seconds=settings.cell_timeout,
        )
        view = stack.enter_context(_view(limits, quiet=quiet))
        briefing = data_card(workspace, budget=budget, count=model.count)
        emit = _tee(trace, Notebooks(folder, **cells), view)
        try:
            run = solve(task, model, kernel, briefing=briefing, limits=limits, emit=emit, run_id=run_id)
        except BaseException:
            # Whatever ended the run, what the trace holds becomes a report.
            if folder.trace.stat().st_size:
                _write(folder, read_run(folder.trace), cells, settings, origins)
            raise
    _write(folder, run, cells, settings, origins)
    return folder, run


# --- parts --------------------------------------------------------------------------------------------------------------


def _card(settings: Settings) -> ModelCard:
    from ..models import registry
    from ..models.backends.scripted import CARD

    card = CARD if settings.model.startswith("scripted:") else registry.find(settings.model)
    return replace(card, sampling=replace(card.sampling, seed=settings.seed))


def _weights(card: ModelCard, settings: Settings, say: Callable[[str], None]) -> Path:
    """The model's file, verified; fetched first where it is missing and the network may be used."""
    from ..models import store
    from ..models.download import pull
    from .models import _progress

    if card.backend == "scripted":
        return Path(settings.model.removeprefix("scripted:")).expanduser()
    if path := store.locate(card):
        return store.ensure_verified(card, path)
    if settings.offline:
        raise ModelError(
            f"the model {card.name} is not on this machine", f"run `deepanalyze models pull {card.name}` once with a network"
        )
    say(f"the model {card.name} is not on this machine yet: fetching {card.bytes / 1e6:,.0f} MB, once")
    with _progress() as on_progress:
        return pull(card, on_progress=on_progress)


def _view(limits: Limits, *, quiet: bool) -> QuietView:
    from ..outputs import view

    if quiet:
        return view.QuietView()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from rich.console import Console

        return view.TerminalView(Console(stderr=True), limits=limits)
    return view.PlainView(sys.stderr)


def _tee(*sinks: Callable[[Event], None]) -> Callable[[Event], None]:
    def emit(event: Event) -> None:
        for sink in sinks:
            sink(event)

    return emit


def _write(folder: RunFolder, run: Run, cells: dict[str, str], settings: Settings, origins: Origins) -> None:
    from ..outputs.manifest import manifest, versions

    chosen = {name: {"value": value, "from": origins[name]} for name, value in asdict(settings).items()}
    facts = manifest(run, versions=versions(), settings=chosen, exit_code=int(_exit_code(run)))
    folder.write_artefacts(run, **cells, manifest=facts)


def _slug(workspace: Workspace) -> str:
    return Path(workspace.sources[0].name).stem if len(workspace.sources) == 1 else workspace.data_dir.name


def _exit_code(run: Run) -> ExitCode:
    if run.stop == "answer":
        return ExitCode.OK if run.answer else ExitCode.INCOMPLETE
    if run.stop == "interrupted":
        return ExitCode.INTERRUPTED
    return ExitCode.UNEXPECTED if run.stop in ("failed", None) else ExitCode.INCOMPLETE


def _print_result(folder: RunFolder, run: Run, code: ExitCode, *, as_json: bool, quiet: bool) -> None:
    from ..outputs.text import clean

    if as_json:
        result = {
            "ok": code == ExitCode.OK,
            "exit_code": int(code),
            "stop": run.stop,
            "answer": run.answer,
            "run": str(folder.path),
            "report": str(folder.report_html),
            "notebook": str(folder.analysis),
            "seconds": run.seconds,
            "turns": len(run.turns),
            "tokens": sum(t.completion.completion_tokens for t in run.turns),
        }
        print(json.dumps(result, ensure_ascii=False))
    elif quiet:
        print(folder.path)
    else:
        print(clean(run.answer) or f"No answer was reached (stopped: {run.stop}).")
        print(f"\nreport    {folder.report_html}\nnotebook  {folder.analysis}")


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the run in order, as Ctrl-C does."""

    def terminate(_: int, __: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(text: str) -> None:
    from ..outputs.text import one_line

    print(one_line(text), file=sys.stderr, flush=True)


def _silent(text: str) -> None:
    """For `--quiet`."""
