"""Whatever a cell sends and however it ends, the launcher lives, stays small and knows; and when the launcher itself is
killed, nothing of it goes on.

The kernels here have no prelude: nothing on the inside helps the launcher.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from attack import MB
from available import TIERS
from launchers import left_after_a_kill, lost_after_a_kill
from trial import forget_peak, private_folders, resident

from deepanalyze_cli.agent import solve
from deepanalyze_cli.kernel import JupyterKernel
from deepanalyze_cli.models.backends.scripted import ScriptedModel
from deepanalyze_cli.outputs.trace import TraceWriter, read_run
from deepanalyze_cli.sandbox import Box, Tier
from deepanalyze_cli.sandbox.private import sweep
from deepanalyze_cli.types import Task

SEND = """
import json
kernel = get_ipython().kernel
pack = kernel.session.pack

def forge(channel, **parts):
    '''A message that is signed as it should be, with parts of it replaced by other bytes.'''
    message = kernel.session.msg("stream", {"name": "stdout", "text": "forged"}, parent=kernel.get_parent("shell"))
    replaced = {id(message[name]): value for name, value in parts.items()}
    kernel.session.pack = lambda value: replaced[id(value)] if id(value) in replaced else pack(value)
    try:
        kernel.session.send(channel, message)
    finally:
        kernel.session.pack = pack
"""
FORGED = {
    "not JSON": 'forge(kernel.iopub_socket, content=b"{")',
    "not UTF-8": 'forge(kernel.iopub_socket, content=b"\\xff\\xfe")',
    "nested too deep": 'forge(kernel.iopub_socket, content=b"[" * 100_000 + b"]" * 100_000)',
    "a list for a content": 'forge(kernel.iopub_socket, content=b"[1, 2]")',
    "a null for a content": 'forge(kernel.iopub_socket, content=b"null")',
    "an empty content": 'forge(kernel.iopub_socket, content=b"{}")',
    "a number for a text": 'forge(kernel.iopub_socket, content=b\'{"name": "stdout", "text": 7}\')',
    "an unknown stream": 'forge(kernel.iopub_socket, content=b\'{"name": "x", "text": "y"}\')',
    "a list for a header": 'forge(kernel.iopub_socket, header=b"[]")',
    "an empty header": 'forge(kernel.iopub_socket, header=b"{}")',
    "a number for the parent": 'forge(kernel.iopub_socket, parent_header=b"7")',
    "a huge number": 'forge(kernel.iopub_socket, content=b\'{"name": "stdout", "text": 1e999}\')',
    "half a surrogate pair": r'forge(kernel.iopub_socket, content=b"""{"name": "stdout", "text": "\\ud800"}""")',
    "a time that is none": r"""
header = kernel.session.msg_header("stream") | {"date": "9" * 1000}
forge(kernel.iopub_socket, header=json.dumps(header, default=str).encode())
""",
    "no signature": 'kernel.iopub_socket.send_multipart([b"x", b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"])',
    "no delimiter": 'kernel.iopub_socket.send_multipart([b"x", b"y"])',
    "an unknown type": "kernel.send_response(kernel.iopub_socket, 'unheard_of', {})",
    "a status without a state": "kernel.send_response(kernel.iopub_socket, 'status', {})",
    "an error without words": "kernel.send_response(kernel.iopub_socket, 'error', {})",
    "an error of other types": (
        "words = {'ename': 7, 'evalue': {'a': []}, 'traceback': ['x']}\n"
        "kernel.send_response(kernel.iopub_socket, 'error', words)"
    ),
    "a display of nothing": "kernel.send_response(kernel.iopub_socket, 'display_data', {'data': 7})",
    "a list for a picture": "kernel.send_response(kernel.iopub_socket, 'display_data', {'data': {'image/png': []}})",
    "an update of nothing": "kernel.send_response(kernel.iopub_socket, 'update_display_data', {})",
    "a forged reply": "kernel.send_response(kernel.shell_stream, 'execute_reply', {'status': 'ok'}, ident=[])",
    "a forged reply without a status": "kernel.send_response(kernel.iopub_socket, 'execute_reply', {})",
}


@pytest.fixture(scope="module")
def kernel(best: Tier, tmp_path_factory: pytest.TempPathFactory, private_place: Path) -> Iterator[JupyterKernel]:
    with JupyterKernel(tmp_path_factory.mktemp("forger"), box=Box(best), prelude=[SEND]) as kernel:
        yield kernel


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_message_is_no_more_than_a_bad_output(kernel: JupyterKernel, forgery: str):
    observation = kernel.execute(f"{FORGED[forgery]}\nprint('sent')", timeout=10)
    texts = [text for output in observation.outputs for text in output.data.values()]
    assert all(isinstance(text, str) for text in texts), "this could be recorded, but not be read again"
    assert observation.status in ("ok", "error") and any("sent\n" in text for text in texts), texts
    after = kernel.execute("6 * 7", timeout=10)
    assert [output.data["text/plain"] for output in after.outputs] == ["42"]


FLOODS = {
    "messages of 15 MB each": "text = 'x' * 15_000_000\nfor _ in range(40): print(text, flush=True)",
    "one message too large": "print('x' * 50_000_000, flush=True)",
    "many small messages": "for number in range(5_000): display(number)",
    "large pictures": (
        "picture = {'image/png': 'A' * 7_000_000}\nfor _ in range(100): get_ipython().display_pub.publish(picture)"
    ),
    "past Jupyter": """
import os
for name in os.listdir("/proc/self/fd"):
    try:
        file = f"/proc/self/fd/{name}"
        if os.readlink(file).startswith("pipe:") and os.access(file, os.W_OK):
            for _ in range(20):
                os.write(int(name), b"x" * 1_000_000)
    except OSError:
        pass
""",
}


MOST = 300 * MB
"""What the launcher may hold of a cell that wants to fill it: the queue of messages, and what is kept of its outputs.

An honest cell is cut short inside its own kernel; that this costs the launcher less is shown by the table (ex-17..20).
"""


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_does_not_make_the_launcher_grow(best: Tier, tmp_path: Path, private_place: Path, flood: str):
    with JupyterKernel(tmp_path, box=Box(best)) as kernel:
        before = forget_peak()
        kernel.execute(FLOODS[flood], timeout=20)
        swollen = resident("VmHWM") - before
        after = kernel.execute("6 * 7", timeout=20)
        assert [output.data["text/plain"] for output in after.outputs if output.kind == "result"] == ["42"]
    assert swollen < MOST, f"{swollen // MB} MB"


FULL = {
    "bytes": "for number in range(8):\n    with open(f'x{number}', 'wb') as file: file.write(bytes(5_000_000))",
    "files": "for number in range(600): open(f'x{number}', 'w').close()",
}


@pytest.mark.parametrize("what", FULL)
def test_a_kernel_that_filled_its_folder_has_a_successor_that_can_make_room(
    best: Tier, tmp_path: Path, private_place: Path, what: str
):
    with JupyterKernel(tmp_path, box=Box(best, disk=20_000_000, files=500)) as kernel:
        observation = kernel.execute(f"{FULL[what]}\nimport time; time.sleep(10)", timeout=10)
        assert observation.status == "died"
        assert any(words in observation.note for words in ("the limit is", "more than 500 files"))
        clear = "import glob, os\nfor file in glob.glob('x*'): os.unlink(file)"
        assert kernel.execute(clear, timeout=10).status == "ok"
        assert kernel.execute("import time; time.sleep(1)", timeout=10).status == "ok"


def test_no_flood_ends_the_run(best: Tier, tmp_path: Path, private_place: Path):
    """What a cell displays is recorded in one line of the trace, whose length has a limit."""
    cells = [FLOODS["large pictures"], "print('still here')"]
    model = ScriptedModel([*(f"<Code>\n{cell}\n</Code>" for cell in cells), "<Answer>\nDone.\n</Answer>"])
    with (
        closing(TraceWriter(tmp_path / "trace.jsonl")) as trace,
        JupyterKernel(tmp_path / "work", box=Box(best)) as kernel,
    ):
        run = solve(Task("How much is kept?", kind="answer"), model, kernel, emit=trace)
    assert (run.stop, run.answer) == ("answer", "Done.")
    assert read_run(tmp_path / "trace.jsonl") == run


@pytest.mark.parametrize("tier", TIERS, indirect=True)
def test_a_killed_launcher_leaves_nothing_running(tier: Tier, tmp_path: Path, private_place: Path):
    before = private_folders()
    assert left_after_a_kill(tier, tmp_path / "kernel") == ""
    assert lost_after_a_kill(tier, tmp_path / "run") == ""
    # Each of the two leaves a folder, which the next start removes.
    assert len(private_folders()) == len(before) + 2
    assert sweep() == 2 and private_folders() == before


def test_a_folder_in_use_is_not_swept_away(best: Tier, tmp_path: Path, private_place: Path):
    before = private_folders()
    with JupyterKernel(tmp_path, box=Box(best)) as kernel:
        assert len(private_folders()) == len(before) + 1 and sweep() == 0
        assert kernel.execute("6 * 7", timeout=10).status == "ok"
    assert private_folders() == before


def test_deaths_cost_no_descriptors_and_no_threads(best: Tier, tmp_path: Path, private_place: Path):
    die = "import os; os._exit(3)"
    with JupyterKernel(tmp_path, box=Box(best)) as kernel:
        counts = []
        for _ in range(5):
            assert kernel.execute(die, timeout=10).status == "died"
            assert kernel.execute("1", timeout=10).status == "ok"
            counts.append(psutil.Process().num_fds() + psutil.Process().num_threads())
    # One of each may come and go; a leak would add up.
    assert counts[-1] < counts[0] + 4, counts


def test_what_the_review_found(best: Tier, tmp_path: Path, private_place: Path):
    """/proc/sys, limits of others, SysV memory and a process that hides from the watchdog: refused in the best box."""
    code = (
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "def refused(call, *arguments):\n    return call(*arguments) < 0 and ctypes.get_errno() == 1\n"
        "try:\n    open('/proc/sys/kernel/core_pattern', 'r+').close()\n    print('open')\n"
        "except OSError:\n    print('closed')\n"
        "pair = (ctypes.c_ulong * 2)(1, 1)\n"
        "print(refused(libc.prlimit, os.getppid(), 0, pair, None), refused(libc.shmget, 0, 4096, 0o1600))\n"
        "print(refused(libc.prctl, 4, 0, 0, 0, 0), libc.prlimit(0, 7, None, pair))"
    )
    with JupyterKernel(tmp_path, box=Box(best)) as kernel:
        observation = kernel.execute(code, timeout=20)
    assert observation.outputs[0].data["text/plain"] == "closed\nTrue True\nTrue 0\n", observation
