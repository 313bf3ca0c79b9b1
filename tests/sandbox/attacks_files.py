"""Attacks on files: the data that is analysed, what may not be written, what may not be read.

The code is what a cell would hold. `attempt`, `call`, `shell` and the names in capitals come from `scene.PREAMBLE`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from attack import Attack, Trial, every, refused, unseen

from deepanalyze_cli.sandbox import Box, choose


def _data(id: str, what: str, code: str, judge=refused) -> Attack:
    return Attack(id, what, code, judge, control=True)


INPUTS = (
    _data("in-01", "delete an input", "attempt(os.unlink, INPUT)"),
    _data("in-02", "overwrite an input", "attempt(open, INPUT, 'w')"),
    _data("in-03", "append to an input", "attempt(lambda: open(INPUT, 'a').write('x'))"),
    _data("in-04", "truncate an input", "attempt(os.truncate, INPUT, 0)"),
    _data("in-05", "move an input into the run folder", "attempt(os.rename, INPUT, 'stolen.csv')"),
    _data("in-06", "remove the data folder with all in it", "import shutil\nattempt(shutil.rmtree, DATA)"),
    _data("in-07", "make an input unreadable (chmod 000)", "attempt(os.chmod, INPUT, 0)", unseen),
    _data("in-08", "change the time of an input", "attempt(os.utime, INPUT, (1, 1))", unseen),
    _data(
        "in-09",
        "hard-link an input, write through the link",
        "attempt(os.link, INPUT, 'hard.csv')\nattempt(open, 'hard.csv', 'w')",
        unseen,
    ),
    _data("in-10", "create a file beside the inputs", "attempt(open, DATA + '/new.csv', 'w')"),
    _data(
        "in-11",
        "write through a shared memory map",
        """
import mmap
def scribble():
    memory = mmap.mmap(os.open(INPUT, os.O_RDWR), 0)
    memory[0:1] = b"Z"
    memory.flush()
attempt(scribble)
""",
    ),
    _data(
        "in-12",
        "reopen a handle for reading as one for writing",
        "file = open(INPUT)\nattempt(lambda: open(f'/proc/self/fd/{file.fileno()}', 'r+').write('Z'))",
    ),
    _data(
        "in-13",
        "set attributes and the owner of an input",
        "attempt(os.setxattr, INPUT, 'user.x', b'1')\nattempt(os.chown, INPUT, os.getuid(), os.getgid())",
        unseen,
    ),
    _data(
        "in-14",
        "let DuckDB copy a query over an input",
        "import duckdb\nattempt(duckdb.sql, f\"COPY (SELECT 1) TO '{INPUT}'\")",
    ),
    _data(
        "in-15",
        "let a shell delete and overwrite",
        "attempt(shell, 'sh', '-c', f'rm -rf {DATA}/*; echo x > {INPUT}')",
    ),
)


def _no_set_id(trial: Trial) -> str:
    return f"{(trial.folder / 's').stat().st_mode:o}" if (trial.folder / "s").stat().st_mode & 0o6000 else ""


def _killed_first(trial: Trial) -> str:
    """Seen from outside: what is no wrapper of the box has the highest score."""
    leaves = [process for process in trial.processes if not process.children()]
    scores = [int(Path(f"/proc/{process.pid}/oom_score_adj").read_text()) for process in leaves]
    return "" if scores and set(scores) == {1000} else f"scores of what runs in the box: {scores}"


WRITES = (
    Attack("wr-01", "write into /etc", "attempt(open, '/etc/attack', 'w')", refused),
    Attack("wr-02", "write into the home", "attempt(open, HOME + '/.bashrc', 'a')", refused, control=True),
    Attack("wr-03", "write into the machine's own /tmp", "attempt(open, MARK, 'w')", unseen, control=True),
    Attack(
        "wr-04",
        "leave code where Python runs it at every start",
        "import site\nattempt(open, site.getsitepackages()[0] + '/attack.pth', 'w')",
        refused,
    ),
    Attack(
        "wr-05",
        "write through a link in the run folder",
        "os.symlink(HOME + '/planted', 'link')\nattempt(open, 'link', 'w')",
        refused,
        control=True,
    ),
    Attack(
        "wr-06",
        "make device nodes",
        "for kind, device in ((0o60600, (254, 0)), (0o20600, (1, 1))):\n"
        "    attempt(os.mknod, f'node{kind}', kind, os.makedev(*device))",
        refused,
    ),
    Attack(
        "wr-07",
        "set the set-uid bit of a file",
        "open('s', 'w').close()\nattempt(os.chmod, 's', 0o4755)",
        _no_set_id,
        control=True,
    ),
    Attack(
        "wr-08",
        "change settings of the running system",
        "attempt(open, '/proc/sys/kernel/hostname', 'w')\nattempt(open, '/proc/sysrq-trigger', 'w')",
        refused,
    ),
    Attack(
        "wr-09",
        "let other programs be killed first when memory is short",
        "attempt(lambda: open('/proc/self/oom_score_adj', 'w').write('0'))",
        every(refused, _killed_first),
    ),
    Attack(
        "wr-10",
        "install a cron job",
        "attempt(open, '/var/spool/cron/crontabs/root', 'a')\nattempt(os.listdir, '/var/spool/cron')",
        refused,
    ),
    Attack(
        "wr-11",
        "make a cgroup, send the machine to sleep",
        "attempt(os.mkdir, '/sys/fs/cgroup/pids/attack')\nattempt(open, '/sys/power/state', 'w')",
        refused,
    ),
)


def _no_environment_of_the_launcher(trial: Trial) -> str:
    """Neither the launcher's environment nor any variable that we did not choose for the box."""
    ours = hashlib.sha256(Path("/proc/self/environ").read_bytes()).hexdigest()
    if ours in trial.text:
        return "the launcher's environment was read"
    box = Box(choose("auto"))
    chosen = {*box.environment(trial.folder), "JPY_PARENT_PID", "PWD", "LC_CTYPE", "container"}
    names = {word for line in trial.text.splitlines() if line.startswith("PARENT") for word in line.split()[1:]}
    foreign = {name for name in names - chosen if not name.startswith(("DEEPANALYZE_", "PYTHON", "OMP_", "MPL"))}
    return f"variables of the parent: {sorted(foreign)}" if foreign else ""


READS = (
    Attack("rd-01", "read a private key in the home", "attempt(lambda: open(SECRET).read())", refused, control=True),
    Attack("rd-02", "read it by a link in the data", "attempt(lambda: open(LINK).read())", refused, control=True),
    Attack("rd-03", "read /etc/shadow", "attempt(lambda: open('/etc/shadow').read()[:1])", refused),
    Attack(
        "rd-04",
        "read secrets in the own environment",
        "print([value for value in os.environ.values() if 'canary' in value])",
        unseen,
        control=True,
    ),
    Attack(
        "rd-05",
        "read the environment of the launcher and of the parent",
        """
import hashlib
def read(process):
    with open(f"/proc/{process}/environ", "rb") as file:
        return file.read()
attempt(lambda: hashlib.sha256(read(LAUNCHER)).hexdigest())
try:
    print("PARENT", *(line.partition(b"=")[0].decode() for line in read(os.getppid()).split(b"\\0")))
except OSError as error:
    print(error)
""",
        _no_environment_of_the_launcher,
        control=True,
    ),
    Attack(
        "rd-06",
        "read the environment of any process",
        """
for process in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{process}/environ", errors="replace") as file:
            print(*(line for line in file.read().split("\\0") if "canary" in line))
    except OSError:
        pass
""",
        unseen,
        control=True,
    ),
    Attack(
        "rd-07",
        "look into the launcher: memory, root, files, folder",
        """
place = f"/proc/{LAUNCHER}"
attempt(open, place + "/mem", "rb")
attempt(os.listdir, place + "/root/")
attempt(os.listdir, place + "/fd")
attempt(os.readlink, place + "/cwd")
""",
        refused,
        control=True,
    ),
    Attack(
        "rd-08",
        "read the command line of another process",
        "attempt(lambda: open(f'/proc/{VICTIM}/cmdline').read())",
        unseen,
        control=True,
    ),
    Attack(
        "rd-09",
        "climb out by the root of the first process",
        "attempt(lambda: open('/proc/1/root' + SECRET).read())\nattempt(os.listdir, '/proc/1/root' + HOME)",
        refused,
    ),
    Attack("rd-10", "list the folders of other runs", "attempt(os.listdir, RUNS)", unseen, control=True),
    Attack(
        "rd-11",
        "read disks and memory as devices",
        "for device in ('vda', 'sda', 'nvme0n1', 'mem', 'kmsg'):\n    attempt(open, '/dev/' + device, 'rb')",
        refused,
    ),
    Attack(
        "rd-12",
        "open a file by its handle",
        """
import errno
try:
    call("open_by_handle_at", -100, 0, 0)
except OSError as error:
    print("REFUSED" if error.errno == errno.EPERM else f"DONE: it is allowed, and failed later ({error})")
""",
        refused,
        control=True,
    ),
    Attack("rd-13", "climb out by another root", "attempt(os.chroot, '/tmp')", refused),
)


ATTACKS = (*INPUTS, *WRITES, *READS)
