"""The kernel, with real ones throughout: whatever a cell does comes back as an observation."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deepanalyze_cli.artefacts import plain_files
from deepanalyze_cli.errors import KernelError
from deepanalyze_cli.kernel import FILES, JupyterKernel, ScriptedKernel, changed
from deepanalyze_cli.kernel_messages import KEPT
from deepanalyze_cli.prelude import CAPTURE
from deepanalyze_cli.sandbox import Box, choose
from deepanalyze_cli.types import Observation, Output

GONE = "The variables of earlier cells are gone, the tables are loaded again."
WAIT_UNTIL_SEEN = "import os\nprint('last words', flush=True)\nwhile not os.path.exists('seen'): pass\n"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterKernel]:
    with JupyterKernel(tmp_path_factory.mktemp("scratch"), prelude=[CAPTURE]) as kernel:
        yield kernel


@pytest.fixture
def own_kernel(tmp_path: Path) -> Iterator[JupyterKernel]:
    """One that a test may break. Its prelude is visible in the variable `prepared`."""
    with JupyterKernel(tmp_path, prelude=["prepared = True"], grace=0.5) as kernel:
        yield kernel


def text(observation: Observation) -> list[tuple[str, str]]:
    return [(output.kind, output.data["text/plain"]) for output in observation.outputs]


def run(kernel: JupyterKernel, code: str, timeout: float = 20) -> Observation:
    return kernel.execute(code, timeout=timeout)


def test_state_is_kept_and_outputs_come_in_order(kernel):
    assert text(run(kernel, "x = 20")) == []
    observation = run(kernel, "import sys\nprint('a')\nprint('b')\nprint('c', file=sys.stderr)\nx + 1")
    assert observation.status == "ok"
    assert text(observation) == [("stdout", "a\nb\n"), ("stderr", "c\n"), ("result", "21")]
    assert 0 < observation.seconds < 5 and observation.note == "" and observation.files == ()


def test_an_error_keeps_what_was_printed_before_it(kernel):
    observation = run(kernel, "print('before')\n1 / 0")
    assert observation.status == "error"
    assert [output.kind for output in observation.outputs] == ["stdout", "error"]
    error = observation.outputs[1].data
    assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
    assert "----> 2 1 / 0" in error["text/plain"] and "\x1b" not in error["text/plain"]


@pytest.mark.parametrize(
    ("code", "ename"),
    [
        ("def broken(:", "SyntaxError"),
        ("input('name? ')", "StdinNotImplementedError"),
        ("exit()", "SystemExit"),
        ("import sys; sys.exit(1)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_what_would_stop_a_script_is_an_error_at_once(kernel, code, ename):
    observation = run(kernel, code)
    assert observation.status == "error" and observation.seconds < 5
    assert [output.data["ename"] for output in observation.outputs if output.kind == "error"] == [ename]
    assert text(run(kernel, "1 + 1")) == [("result", "2")]


def test_outputs_are_passed_on_while_the_cell_runs(kernel):
    seen = kernel.cwd / "seen"
    assert kernel.execute(WAIT_UNTIL_SEEN, timeout=10, on_output=lambda output: seen.touch()).status == "ok"


def test_outputs_that_replace_others(kernel):
    clear = "from IPython.display import clear_output, display\nprint(1)\nclear_output(wait={})\nprint(2)"
    for wait in (False, True):
        assert text(run(kernel, clear.format(wait))) == [("stdout", "2\n")]
    update = "shown = display('first', display_id=True)\nprint('between')\nshown.update('second')"
    assert text(run(kernel, update)) == [("display", "'second'"), ("stdout", "between\n")]
    progress = "for share in (0, 50, 100): print(f'\\r{share} %', end='', flush=True)\nprint('\\ndone')"
    assert text(run(kernel, progress)) == [("stdout", "100 %\ndone\n")]


def test_text_that_cannot_be_encoded_does_not_lose_its_surroundings(kernel):
    assert text(run(kernel, "print('a\\udcffb', '\\x1b[31mred\\x1b[0m')")) == [("stdout", "a?b red\n")]
    assert text(run(kernel, "import pandas as pd\npd.DataFrame({'a': ['\\udcff']})"))[0][1] == "   a\n0  ?"


def test_files_of_the_cell(kernel):
    make = "Path('kept.txt').write_text('1')\nPath('sub').mkdir()\nPath('sub/new.csv').touch()"
    assert run(kernel, f"from pathlib import Path\n{make}").files == ("kept.txt", "sub/new.csv")
    assert run(kernel, "Path('kept.txt').write_text('12')\nPath('link').symlink_to('kept.txt')").files == ("kept.txt",)
    assert run(kernel, "Path('kept.txt').read_text()").files == ()


def test_a_snapshot_is_bounded_and_does_not_follow_links(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    (outside / "secret").touch()
    (folder / ".cache").mkdir(parents=True)
    (folder / ".cache" / "hidden").touch()
    (folder / "loop").symlink_to(folder)
    (folder / "out").symlink_to(outside)
    assert plain_files(folder, FILES) == {}
    for i in range(FILES + 10):
        (folder / f"{i}.txt").touch()
    assert len(plain_files(folder, FILES)) == FILES
    assert plain_files(tmp_path / "absent", FILES) == {}
    assert changed({"a": (1, 1), "b": (1, 1)}, {"b": (2, 1), "c": (0, 0)}) == ("b", "c")


def test_an_interrupt_at_the_limit_keeps_the_state(kernel):
    run(kernel, "kept = 1")
    observation = run(kernel, "import time\nprint('start')\ntime.sleep(60)", timeout=0.5)
    assert observation.status == "timeout"
    assert observation.note == "The cell was stopped after 0.5 s. The variables are kept."
    assert text(observation)[0] == ("stdout", "start\n")
    assert observation.outputs[-1].data["ename"] == "KeyboardInterrupt"
    assert text(run(kernel, "kept")) == [("result", "1")]


def test_the_limit_holds_while_the_cell_prints_without_end(kernel):
    observation = run(kernel, "while True: print('x' * 99, flush=True)", timeout=1)
    assert observation.status == "timeout" and observation.seconds < 4
    assert observation.note.startswith("The cell was stopped after 1 s. The variables are kept.")


def test_a_stubborn_cell_costs_the_kernel_its_life(own_kernel):
    run(own_kernel, "gone = 1")
    stubborn = "while True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        print('no')"
    observation = run(own_kernel, f"import time\n{stubborn}", timeout=0.5)
    assert observation.status == "timeout" and observation.seconds < 2
    assert text(observation) == [("stdout", "no\n")]
    assert observation.note == (
        f"The cell was stopped after 0.5 s. It ignored the interrupt, so the kernel was ended. {GONE}"
    )
    assert text(run(own_kernel, "prepared, 'gone' in globals()")) == [("result", "(True, False)")]


@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("os._exit(1)", "exit code 1"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
def test_a_death_is_noticed_within_a_second(own_kernel, code, end):
    seen = own_kernel.cwd / "seen"
    run(own_kernel, "gone = 1")
    observation = own_kernel.execute(WAIT_UNTIL_SEEN + code, timeout=20, on_output=lambda output: seen.touch())
    assert observation.status == "died" and observation.seconds < 1.5
    assert text(observation) == [("stdout", "last words\n")]
    assert observation.note == f"The kernel died ({end}). {GONE}"
    assert text(run(own_kernel, "prepared, 'gone' in globals()")) == [("result", "(True, False)")]


def test_a_death_between_cells_is_told_with_the_next(own_kernel):
    run(own_kernel, "import os, threading\nthreading.Timer(0.5, os._exit, [9]).start()")
    deadline = time.monotonic() + 20
    while own_kernel._process.alive:  # not by psutil, which would take its exit code from it
        assert time.monotonic() < deadline
    observation = run(own_kernel, "prepared")
    assert text(observation) == [("result", "True")]
    assert observation.note == f"The kernel had ended (exit code 9) before this cell. {GONE}"
    assert run(own_kernel, "prepared").note == ""


def test_a_reply_whose_idle_status_was_lost_still_ends_the_cell(own_kernel):
    observation = run(own_kernel, "get_ipython().kernel.iopub_thread.socket.close()")
    assert observation.status == "ok" and observation.seconds < 3
    assert observation.note == f"The kernel did not answer any more and was ended. {GONE}"


def test_a_message_that_is_too_large_is_lost_alone(own_kernel):
    run(own_kernel, "kept = 1")
    forged = "{'name': 'stdout', 'text': 'x' * (20 << 20)}"
    observation = run(own_kernel, f"k = get_ipython().kernel\nk.send_response(k.iopub_socket, 'stream', {forged})")
    assert (observation.status, observation.note) == ("ok", "Some of its output may be missing.")
    assert text(run(own_kernel, "print('next', kept)")) == [("stdout", "next 1\n")]


@pytest.mark.parametrize(
    "forged",
    [
        "s.pack = lambda o: b'[' * 100_000 + b']' * 100_000 if o == {'odd': 1} else pack(o)",
        "s.pack = lambda o: b'nonsense' if o == {'odd': 1} else pack(o)",
        "s.sign = lambda parts: b'0' * 64",
    ],
)
def test_a_forged_message_is_passed_over(own_kernel, forged):
    send = "k.send_response(k.iopub_socket, 'stream', {'odd': 1})"
    keep = "k = get_ipython().kernel\ns = k.session\npack, sign = s.pack, s.sign"
    observation = run(own_kernel, f"{keep}\n{forged}\n{send}\ns.pack, s.sign = pack, sign\nprint('after')")
    assert (observation.status, text(observation)) == ("ok", [("stdout", "after\n")])


def test_a_forged_idle_does_not_end_the_cell(own_kernel):
    forged = "k.send_response(k.iopub_socket, 'status', {'execution_state': 'idle'})"
    observation = run(own_kernel, f"import time\nk = get_ipython().kernel\n{forged}\ntime.sleep(1)\nprint('end')")
    assert observation.seconds > 1 and text(observation) == [("stdout", "end\n")]


def test_a_flood_takes_neither_memory_nor_time(kernel):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    shown = []
    for code in ("for _ in range(500_000): print('x' * 99)", "print('x' * 50_000_000)"):
        observation = kernel.execute(f"print('first')\n{code}\nprint('last')", timeout=30, on_output=shown.append)
        assert observation.status == "ok" and observation.seconds < 20
        [stdout] = [output.data["text/plain"] for output in observation.outputs]
        assert stdout.startswith("first\nxx") and stdout.endswith("x\nlast\n")
        assert "characters cut ...]" in stdout and len(stdout) < 2 * KEPT + 100
        assert observation.note.startswith("The cell printed too much: 49,")
    assert sum(len(output.data["text/plain"]) for output in shown) <= 2 * KEPT
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_flood_does_not_fill_the_memory_of_the_kernel_either(kernel):
    observation = run(kernel, "long = 'x' * 1_000_000\nwhile True: print(long)", timeout=1)
    assert observation.status == "timeout" and "characters of stdout were cut" in observation.note
    remembered = "{o.output_type for cell in get_ipython().history_manager.outputs.values() for o in cell}"
    assert "out_stream" not in text(run(kernel, remembered))[0][1]


def test_a_value_that_is_too_long_is_cut_as_well(kernel):
    observation = run(kernel, "'x' * 50_000_000")
    assert len(observation.outputs[0].data["text/plain"]) < 2 * KEPT


def test_secrets_stay_outside(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "t")
    monkeypatch.setenv("my_api_key", "k")
    monkeypatch.setenv("HARMLESS", "h")
    code = "import os\n[os.environ.get(name) for name in ('HF_TOKEN', 'my_api_key', 'HARMLESS', 'GIVEN_KEY')]"
    with JupyterKernel(tmp_path, environment={"GIVEN_KEY": "given"}) as kernel:
        assert text(run(kernel, code)) == [("result", "[None, None, None, 'given']")]
    with JupyterKernel(tmp_path, environment={"GIVEN_KEY": "given"}, box=Box(choose("none"))) as kernel:
        assert text(run(kernel, code)) == [("result", "[None, None, 'h', 'given']")]


def test_the_users_own_startup_files_and_the_working_folder_are_not_run(tmp_path, monkeypatch):
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-mine.py").write_text("mine = 1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "ipykernel_launcher.py").write_text("raise RuntimeError('not this one')")
    with JupyterKernel(tmp_path) as kernel:
        assert text(run(kernel, "'mine' in globals()")) == [("result", "False")]


def test_a_kernel_that_cannot_start_says_why(tmp_path):
    with pytest.raises(KernelError, match=r"could not be prepared: ZeroDivisionError: division by zero"):
        JupyterKernel(tmp_path, prelude=["x = 1", "1 / 0"])
    with pytest.raises(KernelError, match=r"did not start \(exit code 1\): .*encodings"):
        JupyterKernel(tmp_path, environment={"PYTHONHOME": "/nowhere"})
    (tmp_path / "file").touch()
    with pytest.raises(KernelError, match="cannot be started"):
        JupyterKernel(tmp_path / "file")


def test_close_leaves_nothing_behind(tmp_path):
    before = set(psutil.Process().children(recursive=True))
    kernel = JupyterKernel(tmp_path)
    run(kernel, "import subprocess\nsubprocess.Popen(['sleep', '600'])\nsubprocess.Popen(['setsid', 'sleep', '600'])")
    processes = set(psutil.Process().children(recursive=True)) - before
    assert [process.name() for process in processes].count("sleep") == 2
    kernel.close()
    kernel.close()
    assert psutil.wait_procs(processes, timeout=5)[1] == []


LAUNCHER = """
import os, sys
from pathlib import Path
from deepanalyze_cli.kernel import JupyterKernel

def show(output): print(output.data["text/plain"].strip(), flush=True)

kernel = JupyterKernel(Path(sys.argv[1]))
kernel.execute("import time; kept = 7; print(kept)", timeout=20, on_output=show)
try:
    kernel.execute("print('busy', flush=True); time.sleep(600)", timeout=600, on_output=show)
except KeyboardInterrupt:
    kernel.execute("print('kept', kept)", timeout=20, on_output=show)
    kernel.close()
"""


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """Another process like ours, with a kernel that runs a cell of ten minutes."""
    command = [sys.executable, "-c", LAUNCHER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["7\n", "busy\n"]
        kernel = next(
            p
            for p in psutil.Process(process.pid).children(recursive=True)
            if "ipykernel" in str(p.cmdline()[-9:]) and not p.children()
        )
        yield process, kernel
        process.kill()


def test_the_kernel_dies_with_a_killed_launcher(launcher):
    process, kernel = launcher
    process.kill()
    assert psutil.wait_procs([kernel], timeout=5)[1] == []


def test_ctrl_c_interrupts_the_cell_and_is_raised(launcher):
    process, kernel = launcher
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.read() == "kept 7\n"
    assert process.wait(5) == 0 and time.monotonic() - started < 5
    assert psutil.wait_procs([kernel], timeout=5)[1] == []


def test_ctrl_c_in_the_terminal_does_not_reach_the_kernel(launcher):
    process, kernel = launcher
    assert psutil.os.getsid(kernel.pid) != psutil.os.getsid(process.pid)


def test_a_reader_that_fails_ends_the_cell_not_the_kernel(kernel):
    def fail(output: Output) -> None:
        raise OSError("disk full")

    run(kernel, "kept = 2")
    with pytest.raises(OSError, match="disk full"):
        kernel.execute("print(1, flush=True)\nimport time\ntime.sleep(60)", timeout=60, on_output=fail)
    assert text(run(kernel, "kept")) == [("result", "2")]


def test_restart_forgets(own_kernel):
    run(own_kernel, "gone = 1")
    own_kernel.restart()
    assert "Cell In[1], line 1" in text(run(own_kernel, "1 / 0"))[0][1], "the prelude is not counted"
    assert text(run(own_kernel, "prepared, 'gone' in globals()")) == [("result", "(True, False)")]


def test_the_scripted_kernel_plays_its_part():
    first = Observation("ok", (Output("stdout", {"text/plain": "1\n"}),))
    second = Observation("error")
    kernel, shown = ScriptedKernel([first, second]), []
    assert kernel.execute("a", timeout=1, on_output=shown.append) is first
    assert kernel.execute("b", timeout=1) is second
    assert (kernel.codes, shown) == (["a", "b"], list(first.outputs))
    with pytest.raises(KernelError, match="before cell 3"):
        kernel.execute("c", timeout=1)
    kernel.close()
