"""One ipykernel process and the two channels to it.

Started in a session of its own, so that a Ctrl-C in the terminal does not reach it and one signal ends it together with
what it started. It knows neither cells nor limits; `kernel` does. POSIX only, for the sake of unix sockets.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import KernelError

START_SECONDS = 60.0
SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
"""An environment variable whose name has one of these in it is kept from the kernel."""
COMMAND = (
    sys.executable,
    # The working folder belongs to the model's code: a `random.py` there must not be imported by the kernel itself.
    "-P",
    "-m",
    "ipykernel_launcher",
    "--InteractiveShell.colors=nocolor",
    "--HistoryManager.enabled=False",
)
_LONGEST_SOCKET_FOLDER = 60
"""Unix socket paths end at 104 characters on some systems."""


class KernelProcess:
    """A kernel that answers. `environment` is the whole environment it gets, but for what keeps its files private.

    Raises:
        KernelError: it did not start.
    """

    def __init__(self, cwd: Path, environment: Mapping[str, str]):
        import zmq
        from jupyter_client.blocking import BlockingKernelClient
        from jupyter_client.connect import write_connection_file

        self._folder = _private_folder()
        connection, errors = str(self._folder / "kernel.json"), self._folder / "stderr"
        key = os.urandom(16).hex().encode()
        write_connection_file(connection, ip=str(self._folder / "k"), key=key, transport="ipc")
        private = {"IPYTHONDIR": str(self._folder / "ipython"), "JPY_PARENT_PID": str(os.getpid())}
        with errors.open("ab") as stderr:
            self._process = subprocess.Popen(
                [*COMMAND, "-f", connection],
                cwd=cwd,
                env={**environment, **private},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        self._context = zmq.Context()
        self._client = BlockingKernelClient(connection_file=connection, context=self._context)
        self._client.load_connection_file()
        self._client.start_channels(stdin=False, hb=False, control=False)
        self._poller = zmq.Poller()
        for channel in (self._client.iopub_channel, self._client.shell_channel):
            self._poller.register(channel.socket, zmq.POLLIN)
        try:
            self._wait_until_ready(errors)
        except BaseException:
            self.kill()
            raise

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def end(self) -> str:
        """How it ended: the name of a signal, or the exit code."""
        code = self._process.poll()
        if code is None:
            return "running"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def send(self, code: str, *, counted: bool = True) -> str:
        """Hand over a cell; the id that its messages will carry. A cell not `counted` is not in `In` and `Out`."""
        return self._client.execute(code, store_history=counted, allow_stdin=False)

    def receive(self, timeout: float) -> dict[str, Any] | None:
        """The next message of either channel, or None after `timeout` seconds of silence."""
        ready = dict(self._poller.poll(max(timeout, 0) * 1000))
        for channel in (self._client.iopub_channel, self._client.shell_channel):
            if channel.socket in ready:
                return channel.get_msg(timeout=0)
        return None

    def interrupt(self) -> None:
        """Ctrl-C for the running cell and its child processes."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it, its children and its files, whatever they are doing. Safe to call twice."""
        self._signal(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._client.stop_channels()
        self._context.destroy(linger=0)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _wait_until_ready(self, errors: Path) -> None:
        """Any message on iopub shows that we are subscribed: nothing printed from then on is missed."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._client.kernel_info()
            for _ in range(10):
                message = self.receive(0.1)
                if message and message["msg_type"] != "kernel_info_reply":
                    return
                if not self.alive:
                    lines = errors.read_text("utf-8", "replace").split("\n")
                    last = next((line for line in reversed(lines) if "Error" in line), lines[-1] or "no reason given")
                    fix = f"see whether `{sys.executable} -m ipykernel_launcher --version` works"
                    raise KernelError(f"the Jupyter kernel did not start ({self.end}): {last.strip()[:200]}", fix)
            if time.monotonic() > deadline:
                raise KernelError(f"the Jupyter kernel did not answer within {START_SECONDS:g} s", "try again")


def kernel_environment(cwd: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Our environment without secrets and without the user's matplotlib settings; `extra` is added last, as it is.

    Matplotlib keeps its list of fonts, which takes 0.7 to some seconds to make, from run to run.
    """
    import platformdirs

    kept = {name: value for name, value in os.environ.items() if not any(word in name.upper() for word in SECRET)}
    return {
        **kept,
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(platformdirs.user_cache_path("deepanalyze") / "matplotlib"),
        "DEEPANALYZE_SCRATCH": str(cwd),
        **extra,
    }


def _private_folder() -> Path:
    """A folder for sockets and settings that only this user can enter (`mkdtemp` gives it mode 0700)."""
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="da-", dir=usual if len(usual) <= _LONGEST_SOCKET_FOLDER else "/tmp"))
