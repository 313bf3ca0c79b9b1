"""`deepanalyze analyze`: the main job. Data, model, kernel and run folder are put together here, and nowhere else."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from .. import settings as layered
from ..errors import DeepAnalyzeError, ExitCode
from ..events import Event
from ..seams import Model
from ..types import Limits, Run, Task
from . import loading

if TYPE_CHECKING:
    from ..outputs.folder import RunFolder
    from ..outputs.publication import Publication
    from ..outputs.view import QuietView
    from ..packages import Added
    from ..sandbox import Box
    from ..settings import Origins, Settings
    from ..workspace import Workspace

Ending = Callable[[Run], ExitCode]

QUESTION = "What are the main findings in this data, and what stands out?"
QUERIES = 0.6
"""Share of the memory for the model's code that DuckDB may take before it goes on on disk."""
EXPORT_SECONDS = 120.0
"""For looking through the tables that the cells wrote."""
BRIEFING_TOKENS = 1400
"""The most the data card may take of the context, and never more than a fifth of it."""


class Interrupted(DeepAnalyzeError):
    """A signal came before there was a run to keep."""

    exit_code = ExitCode.INTERRUPTED


class Terminated(Interrupted):
    """The same by SIGTERM."""

    exit_code = ExitCode.TERMINATED


def analyze(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files or folders with the data.", show_default=False)
    ],
    question: Annotated[str, typer.Option("--question", help="What you want to know.")] = QUESTION,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="A model's name, a .gguf file, or scripted:FILE.", show_default="qwen2.5-coder-1.5b"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the run's folder.", show_default="runs")
    ] = None,
    max_steps: Annotated[int | None, typer.Option(help="Most turns of the model.", show_default="40")] = None,
    max_time: Annotated[str | None, typer.Option(help="Most time: seconds, or 10m, 2h.", show_default="30m")] = None,
    cell_timeout: Annotated[str | None, typer.Option(help="Most time for one cell.", show_default="60s")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sampling.", show_default="0")] = None,
    context: Annotated[
        int | None, typer.Option(help="Tokens of context.", show_default="as the model's card says")
    ] = None,
    sandbox: Annotated[
        str | None,
        typer.Option(
            help="What encloses the model's code: auto, full, bwrap, landlock; none has to be typed.",
            show_default="auto",
        ),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Most memory for the model's code: 4GB.", show_default="half, at most 8GB")
    ] = None,
    packages: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="PACKAGE", help="A Python package the code may use, fetched for this run."),
    ] = None,
    disk: Annotated[str | None, typer.Option(help="Most disk for the model's code.", show_default="2GB")] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="guided (for small models) or free.", show_default="as the model's card says"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave out sentences whose numbers no output supports.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, no progress.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only the run's folder on stdout.")] = False,
) -> None:
    """Analyse data: think, write code, run it, look at the result; leave a notebook and a report.

    Exit codes: 0 done, 2 wrong usage, 4 a limit was reached (a partial report is written), 5 data, 6 model, 7 kernel,
    130 interrupted, 143 terminated.
    """
    flags = {
        "model": model,
        "out": out,
        "max_steps": max_steps,
        "max_time": max_time,
        "cell_timeout": cell_timeout,
        "seed": seed,
        "context": context,
        "sandbox": sandbox,
        "memory": memory,
        "disk": disk,
        "strategy": strategy,
        "strict": strict or None,
        "offline": offline or None,
    }
    settings, origins = layered.load(flags, data=paths)
    if (ignored := layered.unread(paths)) and not (quiet or as_json):
        loading.say(f"not read, because it lies with the data: {ignored}")
    with _signals() as ending:
        folder, run, published, code = _run(
            paths, question, settings, origins, ending, packages=packages or [], quiet=quiet or as_json
        )
    _print_result(folder, run, published, code, as_json=as_json, quiet=quiet)
    raise typer.Exit(int(code))


def _run(
    paths: list[Path],
    question: str,
    settings: Settings,
    origins: Origins,
    ending: Ending,
    *,
    packages: list[str],
    quiet: bool,
) -> tuple[RunFolder, Run, Publication, ExitCode]:
    from ..models.backends import require
    from ..outputs.folder import RunFolder
    from ..packages import add
    from ..prelude import parameters, setup
    from ..sandbox import Box, choose
    from ..sandbox.box import usual_memory
    from ..sandbox.private import sweep
    from ..strategies.guided import suits
    from ..workspace import open_workspace

    say = loading.silent if quiet else loading.say
    card = loading.card(settings)
    require(card)
    started = time.monotonic()
    added: Added | None = None
    box = Box(choose(settings.sandbox), memory=settings.memory or usual_memory(), disk=settings.disk)
    sweep()
    say(f"sandbox: {box.tier}")
    for gap in box.tier.gaps if box.tier.level < 3 else ():
        say(f"  it does not stop: {gap}")
    places = [path.expanduser() for path in paths]
    workspace = open_workspace(places, box=box, on_progress=lambda name: say(f"reading {name}"))
    task = Task(question, workspace.sources, notes=workspace.notes, strict=settings.strict)
    if card.strategy == "guided" and not suits(task):
        card = replace(card, strategy="free")
    reading = time.monotonic() - started
    weights = loading.weights(card, settings, say)
    limits = Limits(
        turns=settings.max_steps,
        seconds=max(settings.max_time - reading, 1.0),
        cell_seconds=settings.cell_timeout,
    )
    when = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    folder = RunFolder.create(settings.out, _slug(workspace), os.urandom(4).hex(), when)
    prepare = setup(workspace.sources, workspace.data_dir, memory=int(box.memory * QUERIES), spill=box.disk // 2)
    cells = {"parameters": parameters(workspace.data_dir), "setup": prepare}
    box = replace(box, read=workspace.visible)
    write = partial(_write, folder, box=box, cells=cells, settings=settings, origins=origins)
    try:
        if packages:
            say(f"fetching {', '.join(packages)}")
            added = add(packages, folder.path / "packages", offline=settings.offline)
            box = replace(box, read=(*box.read, added.folder))
            write = partial(write, box=box, added=added)
        with loading.model(card, weights, settings, say) as model:
            run = _solve(task, workspace, model, box, folder, cells, limits, added=added, quiet=quiet)
    except BaseException as error:
        _salvage(folder, write, getattr(error, "exit_code", ExitCode.UNEXPECTED), say)
        raise
    code = ending(run)
    return folder, run, write(run, code), code


def _solve(
    task: Task,
    workspace: Workspace,
    model: Model,
    box: Box,
    folder: RunFolder,
    cells: dict[str, str],
    limits: Limits,
    *,
    added: Added | None,
    quiet: bool,
) -> Run:
    """The loop, with a kernel, a trace, notebooks and a view around it."""
    from ..agent import solve
    from ..kernel import JupyterKernel
    from ..outputs.folder import Notebooks
    from ..outputs.trace import TraceWriter
    from ..prelude import CAPTURE
    from ..workspace import card as data_card
    from ..workspace import inputs_changed

    (loading.silent if quiet else loading.say)("starting the kernel")
    briefing = data_card(workspace, budget=min(BRIEFING_TOKENS, model.context // 5), count=model.count)
    prelude = (CAPTURE, cells["parameters"], cells["setup"])
    environment = {"DEEPANALYZE_SCRATCH": str(folder.work.resolve())}
    environment |= {"PYTHONPATH": str(added.folder.resolve())} if added else {}
    with (
        closing(TraceWriter(folder.trace)) as trace,
        JupyterKernel(folder.work, box=box, prelude=prelude, environment=environment) as kernel,
        _view(limits, quiet=quiet) as view,
    ):
        emit = _tee(trace, Notebooks(folder, **cells), view)
        run_id = folder.path.name.rpartition("-")[2]
        return solve(
            *(task, model, kernel),
            briefing=briefing,
            limits=limits,
            emit=emit,
            run_id=run_id,
            sandbox=box.tier.name,
            changed=partial(inputs_changed, workspace),
        )


# --- parts ---------------------------------------------------------------------------------------------------------


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


def _write(
    folder: RunFolder,
    run: Run,
    code: ExitCode,
    *,
    box: Box,
    cells: dict[str, str],
    settings: Settings,
    origins: Origins,
    added: Added | None = None,
) -> Publication:
    from ..evidence.lock import NAME as LOCK
    from ..evidence.lock import WrittenTable, dumps, lock_of
    from ..outputs.manifest import manifest, versions
    from ..outputs.placing import place
    from ..sandbox.run import run_boxed

    chosen = {name: {"value": value, "from": origins[name]} for name, value in asdict(settings).items()}
    installed = versions() | dict(added.packages if added else ())
    facts = manifest(run, versions=installed, settings=chosen, box=box, exit_code=int(code))
    boxed = partial(run_boxed, box, seconds=EXPORT_SECONDS, work=folder.work)
    published, exported = folder.write_artefacts(run, **cells, manifest=facts, boxed=boxed)
    written = [WrittenTable(**asdict(table)) for table in exported]
    locked = lock_of(run, memory=int(box.memory * QUERIES), spill=box.disk // 2, written=written)
    place(folder.path / LOCK, dumps(locked).encode())
    return published


def _salvage(
    folder: RunFolder, write: Callable[[Run, ExitCode], object], code: ExitCode, say: Callable[[str], None]
) -> None:
    """Make a report of what the trace holds; a run that had not begun leaves no folder behind."""
    from ..artefacts import remove_tree
    from ..outputs.trace import read_run

    if not folder.trace.exists() or not folder.trace.stat().st_size:
        with suppress(OSError):
            remove_tree(folder.path)
        return
    # A disk that is full stays full: the error that is on its way says it already.
    with suppress(DeepAnalyzeError):
        write(read_run(folder.trace), code)
        say(f"what there is: {folder.report_html}")


def _slug(workspace: Workspace) -> str:
    return Path(workspace.sources[0].name).stem if len(workspace.sources) == 1 else workspace.data_dir.name


def _print_result(
    folder: RunFolder, run: Run, published: Publication, code: ExitCode, *, as_json: bool, quiet: bool
) -> None:
    from ..outputs.marking import VERDICTS, doubtful, summary
    from ..outputs.text import clean, one_line

    ledger = published.ledger
    answer = published.answer(run)
    doubts = [(claim.text, claim.verdict, claim.sentence) for claim in doubtful(ledger.claims)]
    if as_json:
        result = {
            "ok": code == ExitCode.OK,
            "exit_code": int(code),
            "stop": run.stop,
            "answer": answer,
            "numbers": {verdict: ledger.count(verdict) for verdict in VERDICTS},
            "doubts": [dict(zip(("number", "verdict", "sentence"), doubt, strict=True)) for doubt in doubts],
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
        print(clean(answer) or f"No answer was reached (stopped: {run.stop}).")
        if numbers := summary(ledger):
            print(f"\n{numbers}")
        for (verdict, sentence), numbers in _by_sentence(doubts).items():
            print(f"  {verdict}: {one_line(', '.join(numbers), 60)} in “{one_line(sentence, 160)}”")
        print(f"\nreport    {folder.report_html}\nnotebook  {folder.analysis}")


def _by_sentence(doubts: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    """(verdict, sentence) -> its numbers; a sentence that stands in two places is told once."""
    found: dict[tuple[str, str], list[str]] = {}
    for number, verdict, sentence in doubts:
        numbers = found.setdefault((verdict, sentence), [])
        numbers += [] if number in numbers else [number]
    return found


@contextmanager
def _signals() -> Iterator[Ending]:
    """SIGTERM ends a run in order, as Ctrl-C does. Yields what tells the exit code of a run that has ended.

    Raises:
        Interrupted: a signal came where there is no run to end.
    """
    received: list[int] = []

    def terminate(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    def ending(run: Run) -> ExitCode:
        if run.stop == "interrupted":
            return ExitCode.TERMINATED if received else ExitCode.INTERRUPTED
        return ExitCode.OK if run.stop == "answer" and run.answer else ExitCode.INCOMPLETE

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield ending
    except KeyboardInterrupt:
        raise (Terminated("terminated") if received else Interrupted("interrupted")) from None
    finally:
        signal.signal(signal.SIGTERM, before)
