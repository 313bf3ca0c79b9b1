"""All attacks of the table in its order, and the ones that are known to get through."""

from __future__ import annotations

import attacks_files
import attacks_life
import attacks_system

ATTACKS = (*attacks_files.ATTACKS, *attacks_system.ATTACKS, *attacks_life.ATTACKS)
BY_ID = {attack.id: attack for attack in ATTACKS}

GAPS = {
    ("landlock", "rd-07"): "DONE ['0', ",
    ("landlock", "rd-08"): "canary-of-the-command-line was read",
}
"""(Tier, attack) -> how the complaint begins: without namespaces the numbers of open files and the command lines of
other processes can be read. `Tier.gaps` tells the user so. Any other complaint is still one."""


def expected(tier: str, id: str, complaint: str) -> bool:
    """Whether this is what the table promises: contained, or one of the known gaps; without a box, never contained."""
    if tier == "none":
        return bool(complaint)
    return not complaint or complaint.startswith(GAPS.get((tier, id), "\0"))
