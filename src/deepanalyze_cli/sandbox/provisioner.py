"""A Jupyter kernel in a box, for whatever starts kernels through `jupyter_client`.

It is registered as `deepanalyze-box`; a kernel spec that names it as its `kernel_provisioner` is started in a box, with
the settings of its `config`: `sandbox`, `read`, `write`, `memory` and `disk` (bytes). The kernel is talked to over unix
sockets in a private folder, because there is no network in the box.
Source: Jupyter Client documentation, "Kernel Provisioning".
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Any as AnyTrait
from traitlets import Int, List, Unicode

from . import cgroup, processes
from .box import Box
from .fonts import place_font_list
from .private import private_folder
from .run import prepare
from .tiers import choose
from .watchdog import Watchdog

NAME = "deepanalyze-box"
_KEPT = 16_384


class BoxProvisioner(LocalProvisioner):
    """One kernel's life in a box; a restart is another box."""

    box: Box = AnyTrait(None, allow_none=True, help="A Box; if none is given it is made from the settings below.")
    sandbox = Unicode("auto", help="The tier: auto, full, bwrap, landlock or none.").tag(config=True)
    read = List(Unicode(), help="Files and folders that may be read.").tag(config=True)
    write = List(Unicode(), help="Folders that may be written besides the working folder.").tag(config=True)
    memory = Int(0, help="Bytes of memory, 0 for half of the machine's.").tag(config=True)
    disk = Int(2 << 30, help="Bytes that may be written.").tag(config=True)

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        if self.box is None:
            box = Box(choose(self.sandbox), tuple(map(Path, self.read)), disk=self.disk)  # type: ignore[arg-type]
            self.box = box if not self.memory else Box(box.tier, box.read, self.memory, self.disk)
        self._held = contextlib.ExitStack()
        self._folders: list[Path] = []
        self._watchdog: Watchdog | None = None
        self._pipe = -1
        self._said = bytearray()

    @property
    def verdict(self) -> str:
        """Why the watchdog ended the kernel, empty if it did not."""
        return self._watchdog.verdict if self._watchdog else ""

    @property
    def last_words(self) -> str:
        """The end of what the process wrote past Jupyter."""
        return self._said.decode("utf-8", "replace")

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        self._held.close()
        private = self._held.enter_context(private_folder())
        inside = private / "box"
        prepare(inside)
        place_font_list(inside / "matplotlib", self.box)
        if self.parent is not None:
            self.parent.transport, self.parent.ip = "ipc", str(inside / "s")
            self.parent.connection_file = str(inside / "kernel.json")
        # Whoever starts kernels gives us its own environment; only what the kernel spec says is for the box.
        kwargs.pop("env", None)
        kwargs = await super().pre_launch(env={}, **kwargs)
        cwd = Path(kwargs.get("cwd") or inside)
        self._folders = [inside, cwd, *map(Path, self.write)]
        cgroups = (
            self._held.enter_context(cgroup.limited(self.box.tasks, self.box.memory)) if self.box.tier.level else ()
        )
        kwargs["cmd"] = self.box.command(kwargs["cmd"], write=self._folders, cwd=cwd, private=private, cgroups=cgroups)
        kwargs["env"] = self.box.environment(inside, dict(self.kernel_spec.env))
        # The box dies with us by other means; a parent it cannot see would end it at once.
        return kwargs | {"cwd": str(cwd), "independent": self.box.tier.level > 0}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        heard, said = os.pipe()
        self._said = bytearray()
        threading.Thread(target=self._drain, args=(heard,), name="kernel output", daemon=True).start()
        try:
            info = await super().launch_kernel(
                cmd, **kwargs | {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said}
            )
        finally:
            os.close(said)
        self._watchdog = Watchdog(self.process, self.box, self._folders)
        return info

    async def send_signal(self, signum: int) -> None:
        if self.process is None:
            return
        if signum == signal.SIGINT:
            processes.interrupt(self.process.pid, self.box.tier)
        elif signum in (signal.SIGTERM, signal.SIGKILL):
            processes.end(self.process, self.box.tier)

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        if self._watchdog:
            self._watchdog.stop()
        self._held.close()

    def _drain(self, heard: int) -> None:
        """Read what comes past Jupyter so that it cannot block the kernel, and keep only the end."""
        with os.fdopen(heard, "rb", buffering=0) as stream:
            while piece := stream.read(1 << 16):
                self._said += piece
                del self._said[:-_KEPT]
