"""One ipykernel process in its box, and the two channels to it.

It knows neither cells nor limits of time; `kernel` does. How the box is made is the business of `sandbox`, how Jupyter
starts a kernel in it that of `sandbox.provisioner`. POSIX only, for the sake of unix sockets.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import KernelError
from .sandbox import Box

START_SECONDS = 60.0
ANSWER_SECONDS = 5.0
COMMAND = (
    sys.executable,
    # The working folder belongs to the model's code: a `random.py` there must not be imported by the kernel itself.
    "-P",
    "-m",
    "ipykernel_launcher",
    "-f",
    "{connection_file}",
    "--InteractiveShell.colors=nocolor",
    "--HistoryManager.enabled=False",
)
_LARGEST = 16 << 20
"""Bytes of one message: a chart is some 100 KB, a table that is displayed at most 8 MB."""
_QUEUE = 16
"""Messages that wait in our memory while nobody reads; the rest waits in the kernel's."""


class KernelProcess:
    """A kernel that answers. `environment` is added to what the box gives it.

    Raises:
        KernelError: it did not start.
        OSError: the same, for want of disk or processes.
    """

    def __init__(self, cwd: Path, box: Box, environment: Mapping[str, str]):
        import zmq
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import KernelManager

        provisioner = {"provisioner_name": "deepanalyze-box", "config": {"box": box}}
        spec = KernelSpec(
            argv=list(COMMAND),
            display_name="Python in a box",
            language="python",
            env=dict(environment),
            metadata={"kernel_provisioner": provisioner},
        )
        self._context = zmq.Context()
        self._context.rcvhwm, self._context.maxmsgsize, self._context.linger = _QUEUE, _LARGEST, 0
        self._manager = KernelManager(context=self._context)
        self._manager._kernel_spec = spec
        self._client: Any = None
        try:
            self._manager.start_kernel(cwd=str(cwd))
            self._connect(START_SECONDS)
        except BaseException:
            self.kill()
            raise

    @property
    def alive(self) -> bool:
        process = self._manager.provisioner.process if self._manager.provisioner else None
        return process is not None and process.poll() is None

    @property
    def end(self) -> str:
        """How it ended: what it used up, the name of a signal, or the exit code."""
        provisioner = self._manager.provisioner
        if provisioner is None or provisioner.process is None:
            return "not started"
        if provisioner.verdict:
            return provisioner.verdict
        code = provisioner.process.poll()
        if code is None:
            return "running"
        number = -code if code < 0 else code - 128
        with contextlib.suppress(ValueError):
            return signal.Signals(number).name
        return f"exit code {code}"

    def send(self, code: str, *, counted: bool = True) -> str:
        """Hand over a cell; the id that its messages will carry. A cell not `counted` is not in `In` and `Out`."""
        return self._client.execute(code, store_history=counted, allow_stdin=False)

    def receive(self, timeout: float) -> dict[str, Any] | None:
        """The next message of either channel, or None after `timeout` seconds of silence, or for one that is broken."""
        ready = dict(self._poller.poll(max(timeout, 0) * 1000))
        for channel in (self._client.iopub_channel, self._client.shell_channel):
            if channel.socket in ready:
                # What a cell can forge can be anything: not signed, not JSON, nested 100,000 deep.
                with contextlib.suppress(Exception):
                    return channel.get_msg(timeout=0)
        return None

    def interrupt(self) -> None:
        """Ctrl-C for the running cell and its child processes."""
        self._manager.interrupt_kernel()

    def reconnect(self) -> None:
        """Listen anew. ZeroMQ drops a connection over which a message too large was sent, and leaves it dropped.

        Raises:
            KernelError: the kernel does not answer any more.
        """
        self._client.stop_channels()
        self._connect(ANSWER_SECONDS)

    def kill(self) -> None:
        """End it, its children and its files, whatever they are doing. Safe to call twice."""
        if self._client:
            self._client.stop_channels()
        if self._manager.provisioner:
            self._manager.shutdown_kernel(now=True)
        self._context.destroy(linger=0)

    def _connect(self, patience: float) -> None:
        import zmq

        self._client = self._manager.client(context=self._context)
        self._client.start_channels(stdin=False, hb=False, control=False)
        self._poller = zmq.Poller()
        for channel in (self._client.iopub_channel, self._client.shell_channel):
            self._poller.register(channel.socket, zmq.POLLIN)
        self._wait_until_ready(patience)

    def _wait_until_ready(self, patience: float) -> None:
        """Any message on iopub shows that we are subscribed: nothing printed from then on is missed."""
        deadline = time.monotonic() + patience
        while True:
            self._client.kernel_info()
            for _ in range(10):
                message = self.receive(0.1)
                if message and message.get("msg_type") != "kernel_info_reply":
                    return
                if not self.alive:
                    raise self._not_started()
            if time.monotonic() > deadline:
                raise KernelError(f"the Jupyter kernel did not answer within {patience:g} s", "try again")

    def _not_started(self) -> KernelError:
        if verdict := self._manager.provisioner.verdict:
            return KernelError(f"the Jupyter kernel was ended at its start: {verdict}", "raise that limit")
        lines = self._manager.provisioner.last_words.strip().split("\n")
        last = next((line for line in reversed(lines) if "Error" in line), lines[-1] or "no reason given")
        fix = f"see whether `{sys.executable} -m ipykernel_launcher --version` works, and `deepanalyze doctor`"
        return KernelError(f"the Jupyter kernel did not start ({self.end}): {last.strip()[:200]}", fix)
