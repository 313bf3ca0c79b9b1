"""`deepanalyze models`: see, bring, check and remove language models.

Results go to stdout, progress and questions to stderr. What goes wrong is raised; the main app prints it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DigestMismatch, ModelError, UsageError
from ..models import registry, store
from ..outputs.text import one_line
from ..types import ModelCard, ModelSource

if TYPE_CHECKING:
    from rich.console import Console

    from ..models.download import OnProgress, Progress

app = typer.Typer(help="See, bring, check and remove language models.")

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name, or the path of a .gguf file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """See, bring, check and remove language models. Without a command: list them."""
    if context.invoked_subcommand is None:
        list_models()


@app.command("list")
@app.command("ls", hidden=True)
def list_models(
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Names only, one a line.")] = False,
) -> None:
    """List the models there are, and which of them lie on this machine."""
    cards = list(registry.cards().values())
    if quiet:
        for card in cards:
            print(card.name)
    elif as_json:
        print(json.dumps([_facts(card) for card in cards], indent=2))
    else:
        _print_table(cards)


@app.command()
def pull(
    names: Names = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network: fail if it is absent.")] = False,
) -> None:
    """Bring models to this machine, verified; the default one if none is named. Goes on where it stopped."""
    from ..models.download import pull as bring

    for card in [registry.find(name) for name in names or [registry.DEFAULT]]:
        with _progress() as on_progress:
            path = bring(card, offline=offline, on_progress=on_progress)
        print(path)


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show a model's card: what it is, where it comes from, where it lies."""
    card = registry.find(name)
    if as_json:
        print(json.dumps(_facts(card), indent=2))
        return
    for key, value in _lines(card):
        print(f"{key:<10} {one_line(value, 400)}")


@app.command()
def verify(names: Names = None) -> None:
    """Hash models on this machine again, all of them if none is named. Exit code 6 if one is not what its card says."""
    cards = [registry.find(name) for name in names] if names else list(registry.cards().values())
    found = [(card, store.locate(card)) for card in cards]
    absent = next((card for card, path in found if not path), None)
    if names and absent:
        raise _absent(absent)
    wrong = [card.name for card, path in found if path and not _verify_one(card, path)]
    if not any(path for _, path in found):
        print(f"no model lies in {store.root()}", file=sys.stderr)
    if wrong:
        fix = f"run `deepanalyze models pull {' '.join(wrong)}`: it fetches them again"
        raise DigestMismatch(f"not what the card says: {', '.join(wrong)}", fix)


@app.command("import")
def import_model(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A .gguf file.", show_default=False)],
    name: Annotated[str | None, typer.Option("--name", help="What to call a model that is not known.")] = None,
) -> None:
    """Take in a model file that lies on this machine: one of the known models, or any other under a name."""
    card = store.import_file(path, name)
    print(f"imported as {card.name}", file=sys.stderr)
    print(store.place(card))


@app.command("rm")
@app.command("remove", hidden=True)
def remove(name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Delete a model's weights from this machine, and what a broken pull has left of them."""
    from rich.filesize import decimal

    card = registry.find(name)
    if not yes and not sys.stdin.isatty():
        raise UsageError(f"removing {card.name} needs your word", "add -y")
    if not yes and not _agreed(f"Remove {card.name} from {store.root()}?"):
        print("kept", file=sys.stderr)
        return
    print(f"removed {card.name}: {decimal(store.remove(card))} freed", file=sys.stderr)


@app.command()
def path(name: Annotated[str | None, typer.Argument(metavar="NAME", show_default=False)] = None) -> None:
    """Print the folder of all models, or where one model lies."""
    if name is None:
        print(store.root())
        return
    card = registry.find(name)
    found = store.locate(card)
    if not found:
        raise _absent(card)
    print(found)


def _agreed(question: str) -> bool:
    """Ask on stderr. Not `typer.confirm`, which (click 8.5) writes a space to stdout even then."""
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _absent(card: ModelCard) -> ModelError:
    return ModelError(f"the model {card.name} is not on this machine", f"run `deepanalyze models pull {card.name}`")


def _verify_one(card: ModelCard, path: Path) -> bool:
    with _progress() as on_progress:
        try:
            store.verify(card, path, _hashing(card, on_progress))
        except DigestMismatch as error:
            print(f"wrong  {card.name}  {error.message}")
            return False
    print(f"ok     {card.name}  {path}")
    return True


def _hashing(card: ModelCard, on_progress: OnProgress) -> Callable[[int], None]:
    from ..models.download import Progress

    return lambda done: on_progress(Progress("verify", done, card.bytes))


def _facts(card: ModelCard) -> dict[str, object]:
    """A card as JSON, and where its weights lie."""
    found = store.locate(card)
    here = {"default": card.name == registry.DEFAULT, "installed": bool(found), "path": str(found) if found else None}
    return {**asdict(card), **here}


def _lines(card: ModelCard) -> Iterator[tuple[str, str]]:
    """A card for reading: keys and values."""
    from rich.filesize import decimal

    found = store.locate(card)
    sampling = card.sampling
    yield "name", card.name + (" (default)" if card.name == registry.DEFAULT else "")
    yield "about", card.summary or "-"
    yield "licence", card.licence or "unknown"
    yield "backend", card.backend
    yield "context", f"{card.context} tokens"
    yield "dialect", card.dialect
    yield "strategy", card.strategy
    yield "sampling", f"temperature {sampling.temperature}, top_p {sampling.top_p}, max_tokens {sampling.max_tokens}"
    yield "file", card.file or "a folder"
    yield "size", f"{decimal(card.bytes)} ({card.bytes} bytes)"
    yield "sha256", card.sha256 or ("listed by its hub" if card.sources else "not checked")
    for source in card.sources:
        yield "source", _where(source)
    yield "lies at", str(found) if found else f"not on this machine: deepanalyze models pull {card.name}"


def _where(source: ModelSource) -> str:
    if source.kind == "hub":
        return f"hub {source.repo} at {source.revision}" + (f", {source.file}" if source.file else "")
    first, last = source.packages[0], source.packages[-1]
    packages = first if first == last else f"{first} to {last} ({len(source.packages)} packages)"
    return f"package index {packages}, {source.members}"


def _print_table(cards: list[ModelCard]) -> None:
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    # A pipe has no width: let no line be broken for it.
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 240)
    table = Table("name", "size", "installed", "licence", "context", "dialect", "about", box=None, pad_edge=False)
    for card in cards:
        mark = " *" if card.name == registry.DEFAULT else ""
        size = decimal(card.bytes)
        cells = (card.name + mark, size, _state(card), card.licence, str(card.context), card.dialect, card.summary)
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    console.print(table)
    print(f"* the default. Folder: {store.root()}", file=sys.stderr)


def _state(card: ModelCard) -> str:
    found = store.locate(card)
    if found:
        return "yes" if found == store.place(card) else "in the hub's cache"
    return "in part" if store.leftovers(card) else "no"


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Shows what is going on, on stderr: a bar on a terminal, else a line now and then."""
    from rich.console import Console

    console = Console(stderr=True, markup=False, highlight=False)
    if console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI"):
        with _bar(console) as on_progress:
            yield on_progress
    else:
        yield _plain_lines()


@contextmanager
def _bar(console: Console) -> Iterator[OnProgress]:
    from rich import progress as rich
    from rich.text import Text

    title = rich.TextColumn("{task.description}", markup=False)
    rate = (rich.DownloadColumn(), rich.TransferSpeedColumn(), rich.TimeRemainingColumn())
    with rich.Progress(title, rich.BarColumn(), *rate, console=console) as bar:
        tasks: dict[str, rich.TaskID] = {}

        def on_progress(news: Progress) -> None:
            if news.step == "note":
                bar.console.print(Text(one_line(news.text, 400)))
                while tasks:  # another source begins at another place
                    bar.remove_task(tasks.popitem()[1])
            elif news.step not in tasks:
                tasks[news.step] = bar.add_task(_VERBS[news.step], total=news.total, completed=news.done)
            else:
                bar.update(tasks[news.step], completed=news.done)

        yield on_progress


def _plain_lines() -> OnProgress:
    from rich.filesize import decimal

    reached: dict[str, int] = {}

    def on_progress(news: Progress) -> None:
        if news.step == "note":
            reached.clear()
            print(one_line(news.text, 400), file=sys.stderr)
            return
        tenth = news.done * 10 // max(news.total, 1)
        if tenth > reached.get(news.step, 0):
            reached[news.step] = tenth
            share = f"{tenth * 10:>3} % of {decimal(news.total)}"
            print(f"{_VERBS[news.step]} {share}", file=sys.stderr, flush=True)

    return on_progress


_VERBS = {"fetch": "fetching", "verify": "checking"}
