"""Windows: limits of memory and processes by a job object. UNTESTED: written from its documentation, no Windows was
here.

What is in a job ends with the job, and so with us. A job restricts neither files nor the network: that would need a
restricted token or an account of its own, which are not made here.

Source: learn.microsoft.com, `JOBOBJECT_EXTENDED_LIMIT_INFORMATION` and the functions named below (winnt.h, jobapi2.h).
"""

from __future__ import annotations

import ctypes
import sys

from ..errors import KernelError

ACTIVE_PROCESS, JOB_MEMORY, DIE_ON_UNHANDLED_EXCEPTION, KILL_ON_JOB_CLOSE = 0x8, 0x200, 0x400, 0x2000
"""JOB_OBJECT_LIMIT_*: which limits of the structure count. The last two need no number."""
_EXTENDED_LIMIT_INFORMATION = 9


class BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        *(("per_process_user_time_limit", ctypes.c_int64), ("per_job_user_time_limit", ctypes.c_int64)),
        *(("limit_flags", ctypes.c_uint32), ("minimum_working_set", ctypes.c_size_t)),
        *(("maximum_working_set", ctypes.c_size_t), ("active_process_limit", ctypes.c_uint32)),
        *(("affinity", ctypes.c_size_t), ("priority_class", ctypes.c_uint32), ("scheduling_class", ctypes.c_uint32)),
    )


class Limits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION; memory in bytes."""

    _fields_ = (
        *(("basic", BasicLimits), ("io_counters", ctypes.c_uint64 * 6)),
        *(("process_memory_limit", ctypes.c_size_t), ("job_memory_limit", ctypes.c_size_t)),
        *(("peak_process_memory_used", ctypes.c_size_t), ("peak_job_memory_used", ctypes.c_size_t)),
    )


def limits(memory: int, tasks: int) -> Limits:
    """The limits of a job: bytes committed by all its processes together, and how many processes there may be."""
    found = Limits(job_memory_limit=memory)
    found.basic.active_process_limit = tasks
    found.basic.limit_flags = ACTIVE_PROCESS | JOB_MEMORY | DIE_ON_UNHANDLED_EXCEPTION | KILL_ON_JOB_CLOSE
    return found


def confine(process_handle: int, memory: int, tasks: int) -> int:
    """Put a process, and all it will start, into a new job; the job's handle, whose closing ends everything in it.

    To be called before the process has started others: those would stay outside.

    Raises:
        KernelError: Windows refuses, or this is no Windows.
    """
    if sys.platform != "win32":
        raise KernelError("job objects exist on Windows only", "choose another --sandbox")
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel32.CreateJobObjectW.restype = ctypes.c_void_p
    job = kernel32.CreateJobObjectW(None, None)
    wanted = limits(memory, tasks)
    size = ctypes.sizeof(wanted)
    put = job and kernel32.SetInformationJobObject(
        ctypes.c_void_p(job), _EXTENDED_LIMIT_INFORMATION, ctypes.byref(wanted), size
    )
    if put and kernel32.AssignProcessToJobObject(ctypes.c_void_p(job), ctypes.c_void_p(process_handle)):
        return job
    why = ctypes.FormatError(ctypes.get_last_error())
    if job:
        kernel32.CloseHandle(ctypes.c_void_p(job))
    raise KernelError(f"Windows makes no job object: {why}", "choose another --sandbox")
