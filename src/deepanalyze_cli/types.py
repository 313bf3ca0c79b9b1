"""The vocabulary: plain frozen values.

No I/O and nothing imported from the rest of the package. Everything is immutable (lists are tuples) and a change is
`dataclasses.replace`, so that a `Run` can be compared, stored, replayed and trained on as one value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "execute"]
Stop = Literal["answer", "turns", "seconds", "tokens", "format", "interrupted", "failed"]
Status = Literal["ok", "error", "timeout", "died", "refused", "format"]
Dialect = Literal["native", "tags", "fences"]
StrategyName = Literal["free", "guided"]

FORMAT_VERSION = 1
"""Version of the recorded `Run`; a reader refuses a newer one."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. A last message of role `assistant` is the beginning that a reply must continue."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the profile saw it. `low` and `high` are empty for types without an order worth showing."""

    name: str
    type: str
    nulls: int = 0
    distinct: int = 0
    examples: tuple[str, ...] = ()
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a source.

    `load` is a Python expression over the names `con`, `pd`, `sqlite3` and `DATA_DIR` that yields a DuckDB relation
    (`engine="duckdb"`) or a DataFrame (`engine="pandas"`); the profile and the kernel evaluate the very same one.
    """

    name: str
    rows: int
    columns: tuple[Column, ...]
    load: str
    engine: Literal["duckdb", "pandas"] = "duckdb"
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSource:
    """One input file. `name` is its path relative to the data folder, with forward slashes; `bytes` is its size."""

    name: str
    location: str
    kind: str
    bytes: int
    sha256: str
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked, of which data, and whether a report or a short answer is wanted."""

    question: str
    sources: tuple[DataSource, ...] = ()
    kind: Literal["report", "answer"] = "report"
    id: str = ""
    notes: tuple[str, ...] = ()
    """What the reader should know of the data as a whole: files left out, and why."""
    strict: bool = False
    """Whether the report leaves out the sentences whose numbers stand on nothing, instead of marking them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of one run. The last turns of each are kept for the report."""

    turns: int = 40
    seconds: float = 1800.0
    tokens: int = 40_000
    """Sampled tokens in the whole run."""
    cell_seconds: float = 60.0
    feedback_tokens: int = 700
    """The most tokens one observation may take in the conversation."""
    format_errors: int = 3
    """So many malformed replies in a row end the run."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample one reply. `seconds` bounds the reply, reading of the prompt included; `None` means no bound."""

    temperature: float = 0.2
    top_p: float = 0.95
    max_tokens: int = 1024
    seed: int = 0
    stop: tuple[str, ...] = ()
    seconds: float | None = None
    grammar: str = ""
    """A GBNF grammar the reply must follow, where the backend can make it; elsewhere it is only checked afterwards."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """One place a model file can come from: a `hub` file at a pinned revision, or `parts` inside index packages.

    `files` are, for `parts`, glob patterns of the members that join, in order of their names, to the file.
    """

    kind: Literal["hub", "parts"]
    repo: str = ""
    revision: str = ""
    file: str = ""
    packages: tuple[str, ...] = ()
    members: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model before it is loaded; one TOML file in `models/`."""

    name: str
    backend: Literal["llama.cpp", "transformers", "scripted"]
    file: str = ""
    bytes: int = 0
    sha256: str = ""
    licence: str = ""
    context: int = 8192
    """Tokens of context to run with."""
    dialect: Dialect = "fences"
    strategy: StrategyName = "guided"
    sampling: Sampling = Sampling()
    sources: tuple[ModelSource, ...] = ()
    adapter: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Exactly what was sampled, kept so that training never has to tokenise text again."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply. `prefix` is the forced beginning the model continued (empty where it cannot be forced).

    `prompt_tokens` counts the whole prompt, of which `reused_tokens` were in the KV cache already.
    `prompt_seconds` is the time to the first token, `seconds` the time of the whole reply.
    """

    text: str
    finish: Literal["stop", "length", "time"] = "stop"
    prefix: str = ""
    prompt_tokens: int = 0
    reused_tokens: int = 0
    completion_tokens: int = 0
    tokens: Tokens | None = None
    prompt_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def whole(self) -> str:
        """The reply as it stands in the conversation."""
        return self.prefix + self.text


@dataclass(frozen=True, slots=True)
class Action:
    """One block of a reply."""

    kind: Literal["analyze", "understand", "code", "answer"]
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a cell: MIME type -> text (base64 for pictures). An `error` has `ename`, `evalue`, a traceback."""

    kind: Literal["stdout", "stderr", "result", "display", "error"]
    data: dict[str, str]


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of a reply. `files` are paths written below the working folder; `seconds` is wall time."""

    status: Status
    outputs: tuple[Output, ...] = ()
    seconds: float = 0.0
    files: tuple[str, ...] = ()
    note: str = ""
    """What the harness has to say about it: why a cell was refused, that the kernel was restarted."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a turn is for. A strategy chooses it; the driver samples with it; the record keeps it."""

    purpose: Literal["act", "focus", "plan", "code", "finding", "chart", "followup", "summary", "report", "repair"]
    section: int = 0
    prefix: str = ""
    stop: tuple[str, ...] = ()
    max_tokens: int = 1024
    grammar: str = ""
    boldness: float = 0.0
    """Added to the temperature: for a second reply that is to differ from the first."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: the step, the reply, what it meant, what came of it, and the exact text given back."""

    index: int
    step: Step
    completion: Completion
    actions: tuple[Action, ...] = ()
    observation: Observation | None = None
    feedback: str = ""
    dropped: tuple[int, ...] = ()
    """Indices of the turns whose observation had been dropped from the context when this reply was asked for."""

    @property
    def code(self) -> str | None:
        """The code that was to be run, if any."""
        return next((a.text for a in self.actions if a.kind == "code"), None)


@dataclass(frozen=True, slots=True)
class Run:
    """A trajectory: all that a notebook, a report, an evaluation or a training step needs. Equal runs are equal."""

    id: str
    task: Task
    prompt: tuple[Message, ...]
    model: ModelCard
    limits: Limits
    started: str = ""
    """UTC, ISO 8601."""
    version: int = FORMAT_VERSION
    turns: tuple[Turn, ...] = ()
    stop: Stop | None = None
    answer: str = ""
    """The report or answer, in Markdown."""
    seconds: float = 0.0
    error: str = ""
    sandbox: str = ""
    """The tier of the box in which the code ran: `full`, `bwrap`, `landlock`, ..., `none`."""
    changed: tuple[str, ...] = ()
    """Inputs that were no longer at the end what they had been at the start."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart: PNG bytes in base64, the turn that drew it, and a text that stands in for it."""

    png: str
    turn: int
    alt: str


@dataclass(frozen=True, slots=True)
class Section:
    """One finding of a report: Markdown prose, its charts, and the turns (cells) it came from."""

    heading: str
    text: str
    figures: tuple[Figure, ...] = ()
    turns: tuple[int, ...] = ()


Verdict = Literal["verified", "derived", "contradicted", "unsupported"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A number as an executed cell printed it: the turn, which of its outputs, the text, and the line it stands in."""

    turn: int
    output: int
    printed: str
    line: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One number that a report states.

    `text` is the number as it is written, `value` what it means in its `unit` ("%" is a unit, 38.2 % has the value
    38.2), `place` where it stands (`title`, `answer`, `section 2`, `caption 3`, `table 1`), `start` its offset in that
    text. `rule` says how the evidence leads to it: `exact`, `rounded to 1 decimal`, `share of 12 in 40`.
    """

    text: str
    value: float
    unit: str
    sentence: str
    place: str
    start: int
    verdict: Verdict
    evidence: tuple[Evidence, ...] = ()
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every number of a report with what it stands on, in the order of reading."""

    claims: tuple[Claim, ...] = ()

    def count(self, verdict: Verdict) -> int:
        """How many claims have that verdict."""
        return sum(claim.verdict == verdict for claim in self.claims)


@dataclass(frozen=True, slots=True)
class Report:
    """A report before it is laid out. `notices` stand at its top: stopped early, something failed."""

    title: str
    question: str
    answer: str
    sections: tuple[Section, ...] = ()
    sources: tuple[DataSource, ...] = ()
    notices: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
