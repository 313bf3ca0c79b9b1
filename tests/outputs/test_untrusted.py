"""Text that nobody vouches for: `text.py`."""

import re
import time

import pytest
from example_run import HOSTILE
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from deepanalyze_cli.outputs.text import clean, fence, inert, literal, one_line

ANYTHING = st.text(st.characters(categories=None), max_size=60)
MARKUP = st.lists(
    st.sampled_from(["<script>", "</b>", "<!--", "<?x", "](", "](http://e)", "![", "[a]", "]:", " http://e", "`"])
    | st.sampled_from(["``", "```", "~~~", "\n", "\n\n", "    ", "\t", "\\", "<http://e>", "a", "> ", "- ", "|"]),
    max_size=14,
).map("".join)
READERS = [MarkdownIt("commonmark"), MarkdownIt("gfm-like", {"linkify": False}), MarkdownIt("default")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred\x1b[0m \x1b[2J\x9b1mx", "red x"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x07 \x1bPq#\x1b\\x", "link x"),
        ("\x1b]0;title that never ends", "0;title that never ends"),
        ("50%\r100%\r\ndone", "50%\n100%\ndone"),
        ("a\x00\x08\x7f\x85\u202eb\u2066\ufeff", "ab"),
        ("\ud800x", "\ufffdx"),
        ("é 漢字 🐧 \u05e9", "é 漢字 🐧 \u05e9"),
        # te-1: OSC 0, 8 and 52, CSI, DCS, APC, PM, SOS, each in both forms, whole, torn and in each other
        ("\x1b]52;c;ZXZpbA==\x07a\x9d52;c;ZXZpbA==\x9cb", "ab"),
        ("\x1bP1$r\x1b\\a\x90x\x9cb\x1b_x\x1b\\c\x9fx\x9cd\x1b^x\x1b\\e\x1bXx\x1b\\f", "abcdef"),
        ("\x1b]0;a\x1b]52;b\x07c", "0;ac"),
        ("\x1b", ""),
        ("\x1b[", ""),
        ("\x1b\x1b[31m[31mx", "[31mx"),
        ("\x9b\x9b31mx", "x"),
        ("\x1bcx\x1b(0y\x1b7z", "xyz"),
        # what is not seen: tags, zero widths, joiners and selectors in rows; but one joiner, and one selector, stay
        ("a" + "".join(chr(0xE0000 + ord(c)) for c in "delete all") + "b", "ab"),
        ("a\u200b\u2060\u2063\u00ad\u180e\u206ab", "ab"),
        ("a\u200c\u200d\u200c\u200db\ufe00\ufe01c\U000e0100d", "abcd"),
        ("\u0645\u06cc\u200c\u062e 👩\u200d🔬 ☀\ufe0f", "\u0645\u06cc\u200c\u062e 👩\u200d🔬 ☀\ufe0f"),
        ("[/] [link=http://e]x[/link]", "[/] [link=http://e]x[/link]"),
    ],
)
def test_clean(text: str, expected: str):
    assert clean(text) == expected


@given(ANYTHING)
def test_clean_text_has_no_controls_and_can_be_written(text: str):
    found = clean(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e0fff]", found)
    found.encode()


@pytest.mark.parametrize("seed", ["\x9d", "\x90a", "\x1b]", "\x1b]a", "\x9b0", "\x1b ", "\x1b[0", "\u200d", "\x1b\\"])
def test_a_million_beginnings_are_cleaned_in_no_time(seed: str):
    started = time.monotonic()
    assert len(clean(seed * (1_000_000 // len(seed)))) <= 1_000_000
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("show", [inert, literal, fence], ids=lambda show: show.__name__)
def test_no_macro_of_a_formula_leads_elsewhere(show):
    said = show("$\\href{http://e}{x}$ \\\\(\\require{html}\\\\) \\begin{a}\\Def\\x\\href\\end{a}")
    if show is not fence:
        assert not re.search(r"\\(href|require|def)", said, re.IGNORECASE)
    assert "\x1b" not in said


def test_a_dollar_is_no_formula_however_it_is_escaped():
    assert [inert(text) for text in ("$x$", "\\$x", "\\\\$x")] == ["\\$x\\$", "\\$x", "\\\\\\$x"]


def test_one_line_is_cut():
    assert one_line(" a\n b ") == "a b"
    assert one_line("abcdef", 4) == "abc…"


@given(MARKUP)
@example("[a]\n\n[a]: http://e")
@example("![a][b]\n\n> [b]:\n> http://e")
@example("```\n\n![b]\n\n[b]: http://e")
@example("a ` b\n` <script> `")
@example("\\`<script>\\` \\<script>")
@example("- ```\n<script>\n")
def test_inert_markdown_opens_nothing_in_any_reader(text: str):
    for reader in READERS:
        tokens = [t for block in reader.parse(inert(text)) for t in (block, *(block.children or ()))]
        kinds = {token.type for token in tokens}
        assert not kinds & {"html_inline", "html_block", "image", "link_open"}, (kinds, inert(text))


def test_inert_markdown_still_shows_what_was_written():
    written = "Price < $5, `a[b](c)` and **bold** <b>x</b>\n\n```\nif a <b: d[e]: f\n```"
    shown = READERS[0].render(inert(written))
    assert "Price &lt; $5, " in shown and "<strong>bold</strong> &lt;b&gt;x&lt;/b&gt;" in shown
    assert "if a &lt; b: d[e] : f" in shown and "<code>a[b] (c)</code>" in shown


@given(st.one_of(ANYTHING, MARKUP))
def test_literal_text_shows_itself(text: str):
    shown = READERS[1].parse(f"x {literal(text)} x")
    assert [block.type for block in shown] == ["paragraph_open", "inline", "paragraph_close"]
    said = "".join(child.content for child in shown[1].children or ())
    assert " ".join(said.split()) == f"x {one_line(text)} x".replace("x  x", "x x")


@given(st.one_of(ANYTHING, MARKUP))
def test_nothing_ends_a_fence_from_inside(text: str):
    (block,) = READERS[0].parse(fence(text, "python"))
    assert block.type == "fence" and block.content.rstrip("\n") == clean(text).rstrip("\n")


def test_hostile_text():
    assert clean(HOSTILE).endswith("<img src=x onerror=alert(2)> [red]no[/red] red right </details> ```")
