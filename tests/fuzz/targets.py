"""What is fuzzed: each target takes any bytes and raises if a promise is broken. `run.py` has the command."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "outputs"), str(HERE.parent / "models")]

import tiny  # noqa: E402
from choices import Choices  # noqa: E402
from example_run import FREE, GUIDED, events  # noqa: E402
from oracle import ELEMENTS, active  # noqa: E402

from deepanalyze_cli import grammar  # noqa: E402
from deepanalyze_cli.errors import InputError, ModelError  # noqa: E402
from deepanalyze_cli.kernel_messages import Transcript  # noqa: E402
from deepanalyze_cli.models import gguf  # noqa: E402
from deepanalyze_cli.outputs import html, report, text  # noqa: E402
from deepanalyze_cli.outputs.trace import dumps, read_run  # noqa: E402
from deepanalyze_cli.types import Completion, Observation, Output, Run  # noqa: E402

SLOW = 5.0
"""Seconds that no input of some kB may take."""


class Broken(AssertionError):
    """A promise that was not kept; not `assert`, which `-O` and pytest rewrite."""


def must(condition: object, *said: object) -> None:
    """Raise unless the condition holds."""
    if not condition:
        raise Broken(*said)


def fresh(content: bytes, name: str) -> Path:
    """A file of this content, the same one each time; in memory where there is such a folder."""
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    path = folder / f"deepanalyze-fuzz-{os.getpid()}-{name}"
    path.write_bytes(content)
    return path


# --- what a model writes ----------------------------------------------------------------------------------------------

TAGS = [f"<{slash}{tag}>" for tag in ("Analyze", "Understand", "Code", "Answer", "Execute") for slash in ("", "/")]
PIECES = [
    *TAGS,
    "```",
    "```python\n",
    "```py\n",
    "~~~",
    "````",
    "`",
    "\n",
    "\n\n",
    "    ",
    "print(1)",
    "\r\n",
    "<",
    "$",
]


def replies(data: bytes) -> None:
    """`grammar.parse` never raises, and asks for at most one thing to be done."""
    choices = Choices(data)
    finish = choices.pick(("stop", "length", "time"))
    prefix = choices.pick(("", *grammar.OPEN_CODE.values(), *grammar.OPEN_ANSWER.values()))
    written = choices.mixed(PIECES) if choices.number(2) else data.decode("utf-8", "surrogateescape")
    for dialect in ("native", "tags", "fences"):
        reply = grammar.parse(Completion(written, finish=finish, prefix=prefix), dialect)
        kinds = [action.kind for action in reply.actions]
        must(kinds.count("code") + kinds.count("answer") <= 1, dialect, kinds)
        must(not {"code", "answer"} & set(kinds[:-1]), dialect, kinds)
        must(reply.fault == "" or reply.fault in grammar.MALFORMED, reply.fault)
        must(bool(reply.fault) != any(kind in ("code", "answer") for kind in kinds), dialect, reply)
        must(all(action.text.strip() for action in reply.actions), reply)
    grammar.code_in(written)
    grammar.without_code(written)


def feedbacks(data: bytes) -> None:
    """`grammar.feedback` never raises and never takes more tokens than it may."""
    choices = Choices(data)
    most = choices.number(2000)
    status = choices.pick(("ok", "error", "timeout", "died", "refused", "format"))
    lines = [
        "Cell In[1], line 3\n",
        "----> 3 x",
        "\n",
        " ",
        "KeyError",
        "\x1b[31m",
        "é",
        "🐧",
        "x" * 500,
        "1 2 3\n" * 50,
    ]
    outputs = []
    for _ in range(choices.number(4)):
        kind = choices.pick(("stdout", "stderr", "result", "display", "error"))
        keys = ("text/plain", "ename", "evalue", "text/html", "image/png")
        outputs.append(Output(kind, {choices.pick(keys): choices.mixed(lines) for _ in range(choices.number(4))}))
    told = grammar.feedback(
        Observation(status, tuple(outputs), note=choices.pick(("", "It died.", "It died. " * 40))), most, tokens
    )
    must(most < 40 or tokens(told) <= most, most, tokens(told))
    must(not any(ord(c) < 32 and c not in "\n\t\r" for c in told), repr(told))


def tokens(said: str) -> int:
    return (len(said) + 3) // 4


# --- what lies on the disk --------------------------------------------------------------------------------------------


@cache
def lines() -> list[bytes]:
    """Traces of real form: whole ones, and each of their lines."""
    whole = [[dumps(event).encode() + b"\n" for event in events(run)] for run in (FREE, GUIDED)]
    return [*(b"".join(one) for one in whole), *(line for one in whole for line in one)]


def traces(data: bytes) -> None:
    """`read_run` gives a run, or says in one line what is wrong with the file."""
    choices = Choices(data)
    content = data if choices.number(4) == 0 else choices.spliced(lines())
    try:
        run = read_run(fresh(content, "trace"))
    except InputError as error:
        must("\n" not in error.message and error.fix, error)
    else:
        must(isinstance(run, Run))
        hash(run.id), report.to_report(run)


@cache
def small() -> list[bytes]:
    """A sound file, and no more than its header."""
    return [tiny.file(), tiny.file()[:9000]]


def models(data: bytes) -> None:
    """`gguf.check` passes or says in one printable line what is wrong, whatever a file claims of its size."""
    choices = Choices(data)
    content = data if choices.number(8) == 0 else choices.spliced(small())
    try:
        gguf.check(fresh(content, "model"))
    except ModelError as error:
        must("\n" not in error.message and error.message.isprintable() and len(error.message) < 600, error)


# --- what is shown ----------------------------------------------------------------------------------------------------

MARKUP = [
    *("<script>", "</script>", "<img src=x onerror=y>", "<svg onload=x>", "<!--", "-->", "<?x", "<![CDATA[", "</b>"),
    *(
        "](",
        "](http://e)",
        "](javascript:x)",
        "![",
        "[a]",
        "[a]: http://e",
        "]:",
        "http://e",
        "<http://e>",
        "www.e.org",
    ),
    *("a@b.org", "`", "``", "```", "```html\n", "~~~", "\n", "\n\n", "    ", "\t", "\\", "> ", "- ", "1. ", "# ", "|"),
    *(
        "|-|-|\n",
        "|:-:|\n",
        "a|b\n",
        "&lt;",
        "&#60;",
        "&",
        "\x00",
        "\x1b[",
        "\u2028",
        "\u202e",
        "$",
        "*",
        "_",
        "<",
        ">",
    ),
    *('"', "'", "=", "<a href=x>", "<style>", "{{", "}}", "{%", "%}"),
]


@cache
def readers() -> list:
    """Programs that show Markdown, each with raw HTML allowed."""
    from markdown_it import MarkdownIt

    gfm = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    return [MarkdownIt("commonmark"), gfm, MarkdownIt("default", {"html": True})]


def prose(data: bytes) -> None:
    """A model's Markdown becomes harmless HTML in the page, and harmless Markdown in the file."""
    choices = Choices(data)
    written = choices.mixed(MARKUP, 30) if choices.number(4) else data.decode("utf-8", "surrogateescape")
    shown = str(html._prose(written, 3))
    must(not active(shown), active(shown), shown)
    harmless = text.inert(written)
    for reader in readers():
        shown = reader.render(harmless)
        must(not active(shown), active(shown), harmless)
    shown = readers()[1].render(f"x {text.literal(written)} x")
    must(not active(shown), active(shown))
    text.fence(written).encode()


@cache
def plain_page() -> list[str]:
    return sorted(active(html.to_html(report.to_report(GUIDED), GUIDED)))


def pages(data: bytes) -> None:
    """Whole reports with any words in every place: the page has the elements it always has, the file none of HTML."""
    choices = Choices(data)
    source, table = GUIDED.task.sources[0], GUIDED.task.sources[0].tables[0]
    columns = tuple(
        replace(column, name=choices.mixed(MARKUP, 6), low=choices.mixed(MARKUP, 4)) for column in table.columns
    )
    tables = (replace(table, name=choices.mixed(MARKUP, 5), columns=columns, notes=(choices.mixed(MARKUP, 5),)),)
    sources = (replace(source, name=choices.mixed(MARKUP, 5), tables=tables), *GUIDED.task.sources[1:])
    run = replace(
        choices.pick((GUIDED, FREE)),
        task=replace(
            GUIDED.task, question=choices.mixed(MARKUP, 8), sources=sources, notes=(choices.mixed(MARKUP, 5),)
        ),
        answer=choices.mixed(MARKUP, 20),
        error=choices.mixed(MARKUP, 4),
        stop=choices.pick(("answer", "failed", "turns")),
    )
    told = report.to_report(run)
    page = html.to_html(told, run)
    extra = set(active(page)) - known(page)
    must(not extra, extra)
    must(page.count("<script") == 0 and page.encode(), "a script")
    shown = readers()[1].render(report.to_markdown(told, run))
    must(not active(shown, own=True), active(shown, own=True))


_FRAME = frozenset(
    [
        *(
            "html",
            "head",
            "body",
            "meta",
            "title",
            "style",
            "main",
            "header",
            "footer",
            "section",
            "article",
            "nav",
            "a",
        ),
        *("details", "summary", "figure", "figcaption", "img", "dl", "dt", "dd"),
    ]
)
"""Elements that the template of the page writes itself."""


def known(page: str) -> set[str]:
    """What the template puts into a page: its elements, and no handler and no address but an anchor or a picture."""
    found = set()
    for mark in set(active(page)):
        tag, _, attribute = mark.strip("<>").partition(" ")
        name, _, value = attribute.partition("=")
        inside = value.strip("'\"").startswith(("#", "data:image/png;base64,"))
        harmless = not name.startswith("on") and name not in ("srcdoc", "style", "action", "ping", "srcset")
        if mark in plain_page() or (harmless and tag in _FRAME | ELEMENTS and (inside or name not in ("src", "href"))):
            found.add(mark)
    return found


# --- what a kernel says -----------------------------------------------------------------------------------------------

_KINDS = ("status", "execute_reply", "stream", "execute_result", "display_data", "update_display_data", "error")
_WORDS = (
    *("name", "text", "stdout", "stderr", "data", "transient", "display_id", "execution_state", "idle", "status", "ok"),
    *(
        "ename",
        "evalue",
        "traceback",
        "wait",
        "text/plain",
        "image/png",
        "text/html",
        "msg_id",
        "\n[... 1 characters cut ...]\n",
    ),
)
_USUAL = {
    "status": {"execution_state": "idle"},
    "execute_reply": {"status": "ok"},
    "stream": {"name": "stdout", "text": "x"},
    "execute_result": {"data": {"text/plain": "x"}, "metadata": {}},
    "display_data": {"data": {"image/png": "x"}, "metadata": {}, "transient": {"display_id": "d"}},
    "update_display_data": {"data": {"text/plain": "y"}, "transient": {"display_id": "d"}},
    "error": {"ename": "E", "evalue": "v", "traceback": ["x"]},
    "clear_output": {"wait": True},
}


def messages(data: bytes) -> None:
    """Whatever JSON a kernel sends as a message, it is noted or passed over, and outputs stay text."""
    choices = Choices(data)
    transcript = Transcript("me")
    for _ in range(1 + choices.number(8)):
        if choices.over:
            break
        kind = choices.pick((*_KINDS, "clear_output", "input_request", choices.text(5)))
        content: object = json.loads(json.dumps(_USUAL.get(kind, {})))
        for _ in range(choices.number(3)):
            if isinstance(content, dict) and content and choices.number(8):
                content[choices.pick((*content, "data", "text"))] = choices.json(3, _WORDS)
            else:
                content = choices.json(3, _WORDS)
        parent = {"msg_id": "me"} if choices.number(8) else choices.json(2, _WORDS)
        one(transcript.take({"parent_header": parent, "msg_type": kind, "content": content}))
    for output in transcript.outputs():
        one(output)
    must(isinstance(transcript.note, str))
    dumps_back(transcript.outputs())


def one(output: Output | None) -> None:
    if output is not None:
        must(output.kind in ("stdout", "stderr", "result", "display", "error"), output)
        must(all(isinstance(k, str) and isinstance(v, str) for k, v in output.data.items()), output)


def dumps_back(outputs: tuple[Output, ...]) -> None:
    """They must fit into a trace, and into what the model is told."""
    turn = replace(GUIDED.turns[0], observation=Observation("ok", outputs))
    dumps(replace(next(e for e in events(GUIDED) if hasattr(e, "turn")), turn=turn))
    grammar.feedback(Observation("error", outputs), 500, tokens)


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (replies, feedbacks, traces, models, prose, pages, messages)
}


def timed(target: Callable[[bytes], None], data: bytes) -> None:
    """Run a target on one input, which may not take long either."""
    started = time.monotonic()
    target(data)
    must(time.monotonic() - started < SLOW, "too slow", len(data))


def seeds(name: str) -> list[bytes]:
    """Inputs to begin with."""
    if name == "traces":
        return [b"\0" + line[:4000] for line in lines()[2:6]]
    if name == "models":
        return [b"\0" + small()[0][:3000]]
    return [
        bytes(range(1, 200)),
        b"\1" * 100,
        b"\0```python\nprint(1)\n```\n\n",
        b"\0<Code>\n```python\nx\n```\n</Code>",
    ]
