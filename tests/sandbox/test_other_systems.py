"""What can be told about the boxes of macOS and Windows without either: the text and the structures they are given."""

from __future__ import annotations

import ctypes
import re
import struct
import sys
from pathlib import Path

import pytest

from deepanalyze_cli.errors import KernelError
from deepanalyze_cli.sandbox import job_object, seatbelt


def split(command: list[str]) -> tuple[dict[str, str], str, list[str]]:
    """The parameters, the profile and the program of a command."""
    assert command[0] == "/usr/bin/sandbox-exec"
    at = command.index("-p")
    words = command[1:at]
    assert words[::2] == ["-D"] * (len(words) // 2)
    return dict(word.split("=", 1) for word in words[1::2]), command[at + 1], command[at + 2 :]


def below(profile: str, parameters: dict[str, str], rule: str) -> set[str]:
    """The folders for which a kind of access is allowed."""
    lines = [line for line in profile.splitlines() if re.match(rf"\(allow [^(]*\b{re.escape(rule)}", line)]
    return {parameters[name] for line in lines for name in re.findall(r'subpath \(param "(\w+)"\)', line)}


def test_the_lists_and_nothing_else(tmp_path):
    data, work = tmp_path / "data", tmp_path / "work"
    command = seatbelt.command(["python", "-c", "-p"], read=[data], write=[work])
    parameters, profile, argv = split(command)
    assert argv == ["python", "-c", "-p"]
    assert profile.startswith("(version 1)\n(deny default)\n")
    assert below(profile, parameters, "file-write*") == {str(work)}
    reads = below(profile, parameters, "file-read*")
    assert {str(data), str(work)} <= reads and "/" not in reads and str(Path.home()) not in reads
    assert below(profile, parameters, "process-exec") == reads


def test_no_network_but_sockets_in_own_folders(tmp_path):
    parameters, profile, _ = split(seatbelt.command(["true"], read=[], write=[tmp_path]))
    network = [line for line in profile.splitlines() if "network" in line or "socket" in line]
    for line in network:
        assert "unix-socket" in line or "AF_UNIX" in line, line
    for rule in ("network-bind", "network-outbound"):
        assert below(profile, parameters, rule) == {str(tmp_path)}
    assert not re.search(r"mach|\(ip |tcp|udp|network\*", profile)
    assert "network" not in seatbelt.profile(2, 0) and "file-write*" not in seatbelt.profile(2, 0)


def test_links_are_resolved(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    parameters, profile, _ = split(seatbelt.command(["true"], read=[], write=[tmp_path / "link"]))
    assert below(profile, parameters, "file-write*") == {str(tmp_path / "real")}


@pytest.mark.parametrize("name", ['a") (allow default) ("', "b\n(allow default)", "c=d", "é (param)", "-p"])
def test_a_name_gets_into_no_profile(tmp_path, name):
    command = seatbelt.command(["true"], read=[tmp_path / name], write=[tmp_path / name])
    parameters, profile, argv = split(command)
    assert str(tmp_path / name) in parameters.values() and argv == ["true"]
    assert "allow default" not in profile and profile.count("\n") == seatbelt.profile(1, 1).count("\n")


@pytest.mark.parametrize("reads", [0, 1, 40])
def test_a_profile_is_one_list_after_the_other(reads):
    profile = seatbelt.profile(reads, 2)
    depth = 0
    for character in re.sub(r'"[^"\\]*"', "", profile):
        depth += {"(": 1, ")": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0


def test_the_structures_are_laid_out_as_windows_has_them():
    """Sizes on 64 bits from the documentation: 64 and 144 bytes, the job's memory at 120."""
    if struct.calcsize("P") != 8:
        pytest.skip("the documented sizes are those of 64 bits")
    assert ctypes.sizeof(job_object.BasicLimits) == 64
    assert ctypes.sizeof(job_object.Limits) == 144
    assert job_object.Limits.job_memory_limit.offset == 120
    data = bytes(job_object.limits(3 << 30, 300))
    assert struct.unpack_from("<I", data, 16) == (0x2608,)
    assert struct.unpack_from("<I", data, 40) == (300,)
    assert struct.unpack_from("<Q", data, 120) == (3 << 30,)
    assert sum(data) == sum(struct.pack("<IIQ", 0x2608, 300, 3 << 30)), "all else is zero"


@pytest.mark.skipif(sys.platform == "win32", reason="this is about systems without job objects")
def test_elsewhere_a_job_is_refused():
    with pytest.raises(KernelError, match="Windows only"):
        job_object.confine(1, 1, 1)
