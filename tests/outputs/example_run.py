"""Hand-made runs to test the outputs on: a guided and a free one, with charts, failures and hostile text."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace

from deepanalyze_cli.events import Recorded, RunFinished, RunStarted, TurnFinished
from deepanalyze_cli.types import (
    Action,
    Column,
    Completion,
    DataSource,
    Limits,
    Message,
    ModelCard,
    Observation,
    Output,
    Run,
    Status,
    Step,
    Table,
    Task,
    Tokens,
    Turn,
)

PARAMETERS = "from pathlib import Path\n\nDATA_DIR = Path('data')\n"
SETUP = "masses = {'Adelie': [3700, 3750], 'Gentoo': [5050, 5100]}\n"
HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(2)> [red]no[/red] \x1b[31mred \u202eright </details> ```"
LINKS = "It is seen [here](javascript:alert(4)) and ![x](https://evil.example/?q=1)."
HEAVIEST = "How does body_mass_g differ between the values of species?"
KEY_FINDINGS = "- Gentoo is the heaviest. It weighs 5,075 g.\n- No difference for some."
TRACEBACK = "---\nKeyError   Traceback\nCell In[3], line 2\n----> 2 means['Dodo']\n\nKeyError: 'Dodo'"


def png(shade: int) -> str:
    """A picture of 8 by 6 grey pixels, in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([shade]) * 8) * 6
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 6, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")
    return base64.b64encode(data).decode()


def printed(text: str) -> Output:
    """What `print` gives."""
    return Output("stdout", {"text/plain": text})


def chart(shade: int, said: str = "<Figure size 640x480 with 1 Axes>") -> Output:
    """A chart as the kernel sends it."""
    return Output("display", {"image/png": png(shade), "text/plain": said})


def error(name: str, value: str, traceback: str) -> Output:
    """What an exception gives."""
    return Output("error", {"ename": name, "evalue": value, "text/plain": traceback})


def turn(
    index: int,
    purpose: str,
    *actions: tuple[str, str],
    section: int = 0,
    status: Status = "ok",
    outputs: tuple[Output, ...] = (),
    files: tuple[str, ...] = (),
    note: str = "",
) -> Turn:
    """One turn, with a reply that says what its actions say."""
    reply = "\n".join(text for _, text in actions)
    completion = Completion(reply, prompt_tokens=400, reused_tokens=300, completion_tokens=len(reply) // 4, seconds=1.5)
    ran = any(kind == "code" for kind, _ in actions) and (status != "refused" or bool(outputs))
    observation = Observation(status, outputs, 0.4 if ran else 0.0, files, note)
    return Turn(index, Step(purpose, section), completion, tuple(Action(*a) for a in actions), observation)  # type: ignore[arg-type]


SOURCES = (
    DataSource(
        "penguins.csv",
        "/data/penguins.csv",
        "csv",
        15241,
        "4f3a2b1c9d8e7f60" * 4,
        (
            Table(
                "penguins",
                344,
                (
                    Column("species", "VARCHAR", 0, 3, ("Adelie", "Gentoo", "Chinstrap")),
                    Column("body_mass_g", "BIGINT", 2, 94, ("3750",), "2700", "6300"),
                    Column(f"note|{HOSTILE}", "VARCHAR", 300, 4, (HOSTILE,)),
                ),
                "con.read_csv(DATA_DIR / 'penguins.csv')",
                notes=("2 rows with the wrong number of fields were skipped",),
            ),
        ),
    ),
    DataSource("<b>notes</b>.txt", "/data/notes.txt", "text", 812, "ab" * 32),
)

GUIDED = Run(
    id="4f3a2b1c",
    task=Task("Which penguins are the heaviest, and why?", SOURCES, notes=("photo.jpg was left out: not a table",)),
    prompt=(Message("system", "You are an analyst."), Message("user", "Which penguins are the heaviest, and why?")),
    model=ModelCard("small-model", "scripted", "small.gguf", 1000, "cd" * 32, licence="Apache-2.0"),
    limits=Limits(turns=30, seconds=1800, tokens=40_000, format_errors=3),
    started="2026-11-23T18:41:02+00:00",
    turns=(
        turn(0, "plan", ("analyze", HEAVIEST), section=1),
        turn(
            *(1, "code", ("analyze", HEAVIEST)),
            ("code", "means = {k: sum(v) / len(v) for k, v in masses.items()}\nmeans['Dodo']"),
            section=1,
            status="error",
            outputs=(printed("half way\n"), error("KeyError", "'Dodo'", TRACEBACK)),
        ),
        turn(
            *(2, "code", ("analyze", HEAVIEST)),
            ("code", "heaviest = max(means, key=means.get)\nprint(means)\nheaviest"),
            section=1,
            outputs=(
                printed("{'Adelie': 3725.0, 'Gentoo': 5075.0}\n"),
                Output("result", {"text/plain": "'Gentoo'", "text/html": "<b onclick=alert(3)>Gentoo</b>"}),
            ),
            files=("clean/penguins.csv",),
        ),
        turn(
            *(3, "finding", ("analyze", HEAVIEST)),
            ("code", "print(f'{heaviest} is the heaviest.')\nprint(f'It weighs {means[heaviest]:,.0f} g.')"),
            ("answer", "Gentoo is the heaviest.\nIt weighs 5,075 g."),
            section=1,
            outputs=(printed("Gentoo is the heaviest.\nIt weighs 5,075 g.\n"),),
        ),
        turn(
            *(4, "chart", ("analyze", HEAVIEST)),
            ("code", "# plt.bar(means.keys(), means.values())"),
            section=1,
            outputs=(
                chart(60, "[figure: title 'Body mass by species'; x 'species': Adelie, Gentoo; y 0..5075; 2 bars]"),
            ),
        ),
        turn(5, "plan", ("analyze", f"Does sex matter? {HOSTILE}"), section=2),
        turn(
            *(6, "code", ("analyze", "Does sex matter?")),
            ("code", "print('nothing to see')"),
            section=2,
            outputs=(printed(HOSTILE + "\n"), chart(120)),
        ),
        turn(
            *(7, "finding", ("analyze", "Does sex matter?"), ("code", "lightest = min(means)\nprint(lightest)")),
            section=2,
            status="refused",
            outputs=(printed("Adelie\n"),),
            note="The cell printed no full sentence with values.",
        ),
        turn(
            *(8, "finding", ("analyze", "Does sex matter?"), ("code", "print(lightest, 'and so on')")),
            ("answer", f"No difference for {HOSTILE}.\n{LINKS}\n# A row that looks like a heading."),
            section=2,
            outputs=(printed(f"No difference for {HOSTILE}.\n{LINKS}\n# A row that looks like a heading.\n"),),
        ),
        turn(9, "followup", ("analyze", "Does body_mass_g hold within each year?"), section=3),
        turn(
            *(10, "code", ("analyze", "Does body_mass_g hold within each year?")),
            ("code", "while True: pass"),
            section=3,
            status="timeout",
            outputs=(error("KeyboardInterrupt", "", "Cell In[7], line 1\n----> 1 while True: pass"),),
            note="The cell was stopped after 60 s.",
        ),
        turn(11, "finding", ("analyze", "Does body_mass_g hold within each year?"), section=3, status="format"),
        turn(12, "summary", ("answer", KEY_FINDINGS)),
    ),
    stop="answer",
    answer=KEY_FINDINGS,
    seconds=93.4,
)

FREE = replace(
    GUIDED,
    id="9e8d7c6b",
    model=replace(GUIDED.model, strategy="free", dialect="tags"),
    turns=(
        turn(
            *(0, "act", ("analyze", "First I look at the masses.")),
            ("code", "print(sorted(masses))"),
            outputs=(printed("['Adelie', 'Gentoo']\n"),),
        ),
        turn(1, "act", ("analyze", "I must not repeat myself."), ("code", "print(sorted(masses))"), status="refused"),
        turn(
            *(2, "act", ("understand", "Two species."), ("code", "plot('a.png')\nplot('b.png')\nplot()")),
            outputs=(
                chart(10, "[figure a.png: x 0..1; 1 line]"),
                chart(20, "[figure b.png: 2 bars]"),
                chart(30, "[figure: x 0..1; 3 points]"),
            ),
            files=("a.png", "b.png"),
        ),
        turn(3, "report", ("answer", "the report")),
    ),
    answer=(
        "# Weights of penguins\n\nGentoo are heavier.\n\n![Masses](./figures/a.png)\n\n## By sex\n\n"
        'See ![B](b.png "t") here.\n\n* one ![gone](gone.png)\n* two\n\n'
        "```\n# no heading, ![no](a.png) picture\n```\n\nSetext\n======\n\nend"
    ),
)

LOGPROBS = Tokens((1, 2), (-0.5, float("-inf")))


def events(run: Run) -> Iterator[Recorded]:
    """The recorded events that fold into `run`."""
    yield RunStarted(replace(run, turns=(), stop=None, answer="", seconds=0.0, error="", changed=()))
    for each in run.turns:
        yield TurnFinished(each)
    if run.stop:
        yield RunFinished(run.stop, run.answer, run.seconds, run.error, run.changed)
