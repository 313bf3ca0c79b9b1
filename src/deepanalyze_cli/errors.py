"""What can go wrong on our side.

    DeepAnalyzeError            1  unexpected
    |- UsageError               2  options, settings, an --out folder that cannot be written
    |- InputError               5  data missing, empty, unreadable
    |- ModelError               6  model absent, wrong digest, does not fit, unreachable
    |  |- DigestMismatch
    |  |- SourceUnreachable
    |  `- ContextTooSmall
    `- KernelError              7  the kernel cannot be started

Raised at the source, with what to do about it, and shown once, by `cli`. What the model or its code did wrong is never
an exception but an `Observation`; a limit that was reached is a `Run.stop`.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a shell sees. Documented in the README; a number is never given a second meaning."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    VERIFICATION = 3
    INCOMPLETE = 4
    INPUT = 5
    MODEL = 6
    KERNEL = 7
    LOCKED = 75
    INTERRUPTED = 130
    TERMINATED = 143


class DeepAnalyzeError(Exception):
    """`message` says what is wrong in one line, `fix` what to do about it."""

    exit_code = ExitCode.UNEXPECTED

    def __init__(self, message: str, fix: str = ""):
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} ({self.fix})" if self.fix else self.message


class UsageError(DeepAnalyzeError):
    """An option, a setting or an output folder cannot be used."""

    exit_code = ExitCode.USAGE


class InputError(DeepAnalyzeError):
    """The data is missing, empty or unreadable."""

    exit_code = ExitCode.INPUT


class ModelError(DeepAnalyzeError):
    """The model is absent, does not fit or failed."""

    exit_code = ExitCode.MODEL


class DigestMismatch(ModelError):
    """A file is not the one its card publishes."""


class SourceUnreachable(ModelError):
    """A place to fetch a model from did not answer; the next one is tried."""


class ContextTooSmall(ModelError):
    """Even the shortest form of the conversation does not fit the context window."""


class KernelError(DeepAnalyzeError):
    """The kernel that runs the code cannot be started."""

    exit_code = ExitCode.KERNEL
