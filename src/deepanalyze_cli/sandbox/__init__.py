"""The box: what code that nobody vouches for may read, write, reach and use up.

Whatever parses data or runs what a model wrote runs in a `Box`; the launcher (model, loop, trace, report) stays outside
and reads what a box leaves only through `artefacts`. How strong a box is, its `Tier`, is found out by making one.

Each step of the way is one file: `tiers` (which there are, and what each does not stop), `box` (a command line for a
policy), `stub/` (what happens between that command line and the command), `watchdog` (what is used up), `private` (the
folder for its sockets), `run` (a program in a box, to its end) and `provisioner` (a Jupyter kernel in a box).
"""

from .box import Box
from .tiers import Tier, choose

__all__ = ["Box", "Tier", "choose"]
