"""Messages into outputs, without a kernel."""

from __future__ import annotations

from typing import Any

import pytest

from deepanalyze_cli.kernel_messages import ALL_DATA, DATA_LIMIT, ENTRIES, KEPT, Transcript, plain


def message(kind: str, parent: str = "mine", **content: Any) -> dict[str, Any]:
    return {"msg_type": kind, "parent_header": {"msg_id": parent}, "content": content}


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return message("stream", name=name, text=text)


def display(**data: Any) -> dict[str, Any]:
    return message("display_data", data={key.replace("_", "/"): value for key, value in data.items()})


def test_over_needs_both_signs_with_our_id():
    transcript = Transcript("mine")
    idle = {"execution_state": "idle"}
    transcript.take(message("status", **idle))
    assert not transcript.over
    transcript.take(message("execute_reply", "other", status="error"))
    assert not transcript.over and not transcript.failed
    transcript.take(message("execute_reply", status="ok"))
    assert transcript.over and not transcript.failed


def test_streams_merge_and_keep_their_turn():
    transcript = Transcript("mine")
    for piece in (stream("a"), stream("b"), stream("c", "stderr"), stream("d")):
        assert transcript.take(piece).data["text/plain"] == piece["content"]["text"]
    assert transcript.take({**stream("x"), "parent_header": {}}) is None
    kinds = [(output.kind, output.data["text/plain"]) for output in transcript.outputs()]
    assert kinds == [("stdout", "ab"), ("stderr", "c"), ("stdout", "d")]


def test_a_long_stream_keeps_both_ends_before_what_came_after_it():
    transcript = Transcript("mine")
    for i in range(3 * KEPT // 10):
        transcript.take(stream(f"{i:09}\n"))
    transcript.take(message("error", ename="E", evalue="v", traceback=["E: v"]))
    stdout, error = transcript.outputs()
    assert error.kind == "error" and transcript.note.endswith(f"{KEPT:,} characters of stdout were cut.")
    text = stdout.data["text/plain"]
    assert text.startswith("000000000\n") and text.endswith(f"{3 * KEPT // 10 - 1:09}\n")
    assert f"\n[... {KEPT:,} characters cut ...]\n" in text and len(text) < 2 * KEPT + 50


def test_what_the_kernel_cut_already_is_counted():
    transcript = Transcript("mine")
    transcript.take(stream("a\n[... 1,234 characters cut ...]\nb"))
    assert transcript.note == "The cell printed too much: 1,234 characters of stdout were cut."


def test_many_small_outputs_are_bounded():
    transcript = Transcript("mine")
    for i in range(2 * ENTRIES):
        transcript.take(stream("o"))
        transcript.take(stream("e", "stderr"))
        transcript.take(message("execute_result", data={"text/plain": str(i)}))
    transcript.take(message("error", ename="E", evalue="", traceback=["E"]))
    outputs = transcript.outputs()
    assert len(outputs) == ENTRIES + 1 and outputs[-1].kind == "error"
    assert sum(output.data["text/plain"].count("o") for output in outputs if output.kind == "stdout") == 2 * ENTRIES
    assert "outputs were cut" in transcript.note


def test_values_keep_their_forms_unless_they_are_too_long():
    transcript = Transcript("mine")
    transcript.take(display(text_plain="\x1b[1mp\x1b[0m", text_html="<b>", application_json={"a": 1}))
    transcript.take(display(text_html="x" * (DATA_LIMIT + 1), text_plain="x" * (KEPT + 1)))
    transcript.take(display(image_png="x" * (DATA_LIMIT + 1)))
    first, second, third = transcript.outputs()
    assert first.data == {"text/plain": "p", "text/html": "<b>"}
    assert second.data == {"text/plain": "x" * KEPT + "\n[... 1 characters cut ...]"}
    assert third.data == {"text/plain": "[a value too long to show]"}


@pytest.mark.parametrize(
    ("raw", "folded"),
    [
        ("a\r\nb", "a\nb"),
        ("0 %\r50 %\r100 %\nend", "100 %\nend"),
        ("\r0 %\r50 %\r", "50 %"),
        ("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07", "red link"),
        ("", ""),
    ],
)
def test_plain(raw, folded):
    assert plain(raw) == folded


FORGED = (
    {},
    {"msg_type": ["status"], "parent_header": {"msg_id": "mine"}, "content": {}},
    {"msg_type": "status", "parent_header": None, "content": {"execution_state": "idle"}},
    {"msg_type": "status", "parent_header": {"msg_id": "mine"}, "content": "idle"},
    message("status"),
    message("execute_reply"),
    stream("a", "stdin"),
    message("stream", name=["stdout"], text="a"),
    message("stream", name="stdout", text=5),
    message("display_data", data=[1]),
    message("execute_result", data=None),
    message("update_display_data", data={}),
    message("error", ename="E", evalue=[], traceback=[]),
    message("error", ename="E", evalue="", traceback="line"),
    message("clear_output"),
)


@pytest.mark.parametrize("forged", FORGED, ids=range(len(FORGED)))
def test_what_is_not_of_the_protocols_shape_is_passed_over(forged):
    transcript = Transcript("mine")
    assert transcript.take(forged) is None
    assert transcript.outputs() == () and not (transcript.idle or transcript.replied or transcript.failed)


def test_forged_content_is_bounded():
    transcript = Transcript("mine")
    transcript.take(stream("\n[... , characters cut ...]\n" + "\n[... " + "9" * 5000 + " characters cut ...]\n"))
    transcript.take(message("error", ename="E" * KEPT * 2, evalue="v", traceback=["x" * 2 * KEPT, 5, None]))
    transcript.take(message("display_data", data={f"a/{i}": "x" for i in range(1000)}, transient=5))
    for _ in range(10):
        transcript.take(display(image_png="x" * DATA_LIMIT))
    _, error, odd, *charts = transcript.outputs()
    assert all(len(text) < KEPT + 100 for text in error.data.values())
    assert odd.data == {"text/plain": "[a value that is no text and no chart]"}
    assert sum(len(chart.data["image/png"]) for chart in charts) <= ALL_DATA and "outputs were cut" in transcript.note
