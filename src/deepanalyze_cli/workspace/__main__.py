"""`python -P -m deepanalyze_cli.workspace`: the reader of the data, for the launcher to run in a box.

A `Request` as JSON comes on stdin; `messages` go to stdout, one a line. It is not meant to be called by hand.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from .messages import Failed, Started, encode
from .read import TOO_LARGE
from .survey import Request, survey


def main() -> None:
    """Answer one request. What a library prints goes to stderr."""
    said = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    request = Request(asked["data_dir"], tuple(asked["files"]), asked["memory"])
    # What takes long or much memory to begin with is not the fault of the first file.
    import duckdb  # noqa: F401
    import pandas  # noqa: F401

    said.write(encode(Started()))
    for message in survey(request, Path.cwd()):
        if isinstance(message, Failed) and message.reason == TOO_LARGE:
            # What is left of the memory may not do for the next file; a new reader is started without this one.
            raise MemoryError
        said.write(encode(message))


if __name__ == "__main__":
    main()
