"""Attacks on what keeps the run alive: everything used up, the kernel's death, messages that lie.

The code is what a cell would hold. `attempt` and the names in capitals come from `scene.PREAMBLE`. After each of them
the next cell has to be right, which `trial` sees to.
"""

from __future__ import annotations

from pathlib import Path

from attack import (
    GB,
    MB,
    Attack,
    Trial,
    cut,
    either,
    every,
    killed,
    refused,
    said,
    small,
    stopped,
    survived,
    unseen,
    within_disk,
    within_memory,
    within_tasks,
)

FORKS = """
children = []
try:
    for _ in range(600):
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        children.append(child)
    print("DONE")
except OSError as error:
    print("REFUSED after", len(children), error)
time.sleep(1)
for child in children:
    os.kill(child, 9)
    os.waitpid(child, 0)
"""
THREADS = """
import threading
def start():
    for _ in range(4096):
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
attempt(start)
time.sleep(1)
"""
PIECES = """
pieces = []
for _ in range(64):
    pieces.append(b"\\1" * (64 << 20))
    time.sleep(0.03)
"""
FAMILY = """
children = []
for _ in range(8):
    child = os.fork()
    if child == 0:
        piece = b"\\1" * (300 << 20)
        time.sleep(5)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""
PRIVATE = """
megabytes = 0
def fill(folder):
    global megabytes
    for number in range(12):
        with open(f"{folder}/attackfill{number}", "wb") as file:
            file.write(b"\\1" * (64 << 20))
        megabytes += 64
attempt(fill, "/dev/shm")
attempt(fill, "/tmp")
print(megabytes, "MB")
for folder in ("/dev/shm", "/tmp"):
    shell("sh", "-c", f"rm -f {folder}/attackfill*")
"""
FILES = """
for number in range(12):
    with open(f"fill{number}", "wb") as file:
        for _ in range(10):
            file.write(b"\\1" * (10 << 20))
time.sleep(3)
"""
ONE_FILE = """
def write():
    with open("big", "wb") as file:
        for _ in range(60):
            file.write(b"\\1" * (10 << 20))
attempt(write)
attempt(os.truncate, "big", 1 << 40)
"""
ZIP = """
import zipfile
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
    for number in range(12):
        bomb.writestr(f"member{number}", bytes(100 << 20))
with zipfile.ZipFile("bomb.zip") as bomb:
    bomb.extractall("out")
time.sleep(3)
"""
DEEP = """
depth = 0
try:
    for depth in range(3000):
        os.mkdir("d")
        os.chdir("d")
except OSError as error:
    print("REFUSED", error)
print(depth, "deep")
"""
SWALLOW = """
while True:
    try:
        while True: pass
    except BaseException: pass
"""
BLOCKED = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
libc.pause()
"""
UNLIMITED = """
sys.setrecursionlimit(10**9)
class Endless:
    def __getattr__(self, name): return getattr(self, name + "a")
attempt(lambda: Endless().x)
"""


def _nothing_outside(trial: Trial) -> str:
    """None of the files are in the machine's own /tmp and /dev/shm."""
    found = [path for place in ("/tmp", "/dev/shm") for path in Path(place).glob("attackfill*")]
    for path in found:
        path.unlink()
    return f"written outside: {[*map(str, found)]}" if found else ""


def _no_larger_than_allowed(trial: Trial) -> str:
    file = trial.folder / "big"
    size = file.stat().st_size if file.exists() else 0
    return f"a file of {size // MB} MB" if size > trial.attack.disk else ""


def _limited(id: str, what: str, code: str, judge, seconds: float = 20, **limits: int) -> Attack:
    return Attack(id, what, code, judge, alone=True, seconds=seconds, **limits)


EXHAUSTION = (
    _limited("ex-01", "600 forks", FORKS, within_tasks, tasks=100),
    _limited("ex-02", "100 GB at once", "import numpy\nattempt(numpy.ones, 100 << 27)", within_memory, memory=GB),
    _limited("ex-03", "memory in pieces of 64 MB", PIECES, within_memory, memory=GB),
    _limited("ex-04", "memory in eight children", FAMILY, within_memory, memory=GB),
    _limited("ex-05", "fill /dev/shm and /tmp", PRIVATE, every(refused, _nothing_outside), 30),
    Attack("ex-06", "files in memory (memfd)", "attempt(os.memfd_create, 'x')", refused, control=True),
    _limited("ex-07", "fill the disk by files", FILES, every(killed("wrote"), within_disk), disk=300 * MB),
    _limited("ex-08", "one file of 600 MB, then 1 TB sparse", ONE_FILE, _no_larger_than_allowed, disk=512 * MB),
    Attack(
        "ex-09",
        "100,000 open files",
        "opened = []\nattempt(lambda: opened.extend(open('/dev/null') for _ in range(100_000)))\nopened.clear()",
        refused,
    ),
    _limited("ex-10", "4,096 threads", THREADS, every(either(refused, killed("threads")), within_tasks), tasks=256),
    _limited("ex-11", "an endless loop", "while True: pass", stopped, 2),
    _limited("ex-12", "a loop that swallows the interrupt", SWALLOW, stopped, 2),
    _limited("ex-13", "a pause in C with signals blocked", BLOCKED, stopped, 2),
    _limited("ex-14", "a regular expression without end", "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')", stopped, 2),
    Attack("ex-15", "endless recursion", "def f(): return f()\nattempt(f)", said("RecursionError")),
    _limited("ex-16", "endless recursion, limit lifted", UNLIMITED, survived, 15, memory=GB),
    Attack(
        "ex-17",
        "1 GB of stdout in lines of 1 MB",
        "line = 'x' * 1_000_000\nfor _ in range(1000): print(line)",
        every(small, cut),
        seconds=60,
        alone=True,
        captured=True,
    ),
    Attack(
        "ex-18", "one result of 200 MB", "'x' * 200_000_000", every(small, cut), seconds=60, alone=True, captured=True
    ),
    Attack(
        "ex-19",
        "endless output",
        "while True: print('x' * 100_000)",
        every(small, cut, stopped),
        seconds=3,
        alone=True,
        captured=True,
    ),
    Attack(
        "ex-20",
        "50 MB past Python to the descriptors 1 and 2",
        "for _ in range(50): os.write(1, b'x' * 500_000), os.write(2, b'x' * 500_000)",
        small,
        alone=True,
        captured=True,
    ),
    _limited("ex-21", "3,000 folders, each in the one before", DEEP, survived, 30),
    _limited("ex-22", "a zip bomb", ZIP, every(killed("wrote"), within_disk), 60, disk=300 * MB),
)


def _death(id: str, what: str, code: str, told: str) -> Attack:
    return Attack(id, what, code, killed(told), alone=True)


DEATHS = (
    _death("de-01", "end without a word (os._exit)", "os._exit(3)", "exit code 3"),
    _death("de-02", "read address 0", "ctypes.string_at(0)", "SIGSEGV"),
    _death("de-03", "abort", "os.abort()", "SIGABRT"),
    _death("de-04", "kill oneself", "os.kill(os.getpid(), 9)", "SIGKILL"),
    _death("de-05", "kill the whole process group", "os.kill(0, 9)", "SIGKILL"),
    Attack("de-06", "sys.exit()", "sys.exit(1)", said("SystemExit", "error")),
    Attack(
        "de-07",
        "KeyboardInterrupt, and SystemExit in a thread",
        "import threading\nthreading.Thread(target=sys.exit).start()\nraise KeyboardInterrupt",
        said("KeyboardInterrupt", "error"),
    ),
)

FORGED_IDLE = """
kernel = get_ipython().kernel
kernel.send_response(kernel.iopub_socket, "status", {"execution_state": "idle"})
sys.stdout.flush()
time.sleep(4)
print("the end")
"""
NESTED = """
kernel = get_ipython().kernel
pack = kernel.session.pack
nested = ("[" * 100_000 + "]" * 100_000).encode()
kernel.session.pack = lambda value: nested if isinstance(value, dict) and value.get("nested") else pack(value)
kernel.send_response(kernel.iopub_socket, "stream", {"nested": 1})
kernel.session.pack = pack
print("sent")
"""


def _after_a_restart(trial: Trial) -> str:
    """It may have broken its own kernel, but nothing that a new one does not mend."""
    if trial.answers():
        return ""
    trial.kernel.restart()
    return "" if trial.answers() else "not even a new kernel is right"


def _real_time(trial: Trial) -> str:
    """The cell sleeps for four seconds; an end that came before is the forged one."""
    if trial.observation.seconds < 3.5:
        return f"it was taken for over after {trial.observation.seconds:.1f} s"
    return "" if "the end" in trial.text else "what it printed later is lost"


LIES = (
    Attack(
        "tm-01",
        "destroy print, open and json.dumps",
        "import builtins, json\nbuiltins.print, builtins.open, json.dumps = (lambda *a, **k: None), None, None",
        _after_a_restart,
        alone=True,
        seconds=5,
    ),
    Attack("tm-02", "a forged idle message, then a long cell", FORGED_IDLE, _real_time),
    Attack(
        "tm-03",
        "values that cannot be stored",
        "import threading\nkept = (x for x in []), threading.Lock(), lambda: kept, open('/dev/null')\nkept",
        said("generator"),
    ),
    Attack("tm-04", "a message nested 100,000 deep", NESTED, survived, alone=True, seconds=6),
    Attack("tm-05", "ask the user (input)", "attempt(input)", refused),
    Attack(
        "tm-06",
        "a hook for all imports, kept in the kernel",
        "class Finder:\n    find_spec = staticmethod(lambda *_: None)\nsys.meta_path.insert(0, Finder)",
        unseen,
        alone=True,
    ),
)

ATTACKS = (*EXHAUSTION, *DEATHS, *LIES)
