"""Text that nobody vouches for: `text.py`."""

import re

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
    ],
)
def test_clean(text: str, expected: str):
    assert clean(text) == expected


@given(ANYTHING)
def test_clean_text_has_no_controls_and_can_be_written(text: str):
    found = clean(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", found)
    found.encode()


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
