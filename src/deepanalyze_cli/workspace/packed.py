"""Packed files that unpack to something very much larger: told from their directory, before anything is unpacked.

A cheap look only, and what a directory says may be a lie: what gets past it ends at a limit of the box.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from .read import Unreadable

LARGE = 100_000_000
"""Bytes, unpacked; below it there is nothing to fear."""

RATIO = 250
"""So many times its own size is no honest workbook: sheets of equal rows reach some 100, deflate itself 1,032."""

MOST_MEMBERS = 20_000


def check_workbook(file: Path) -> None:
    """Look at the directory of a workbook that is a zip file (xlsx, xlsb, ods); others pass.

    Raises:
        Unreadable: it is damaged, or a bomb.
    """
    if not zipfile.is_zipfile(file):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = [member.file_size for member in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise Unreadable("is not a workbook that can be opened (damaged)") from error
    own, unpacked = file.stat().st_size, sum(sizes)
    if (unpacked > LARGE and unpacked > RATIO * own) or len(sizes) > MOST_MEMBERS:
        reason = f"is a zip bomb: {own / 1e6:,.1f} MB that unpack to {unpacked / 1e6:,.0f} MB"
        raise Unreadable(reason, "leave it out; if you trust it, save it as CSV")
