"""Fuzz for so many minutes: `python tests/fuzz/run.py --minutes 2 [target...]`, all targets if none is named.

Needs `pip install atheris`, no dependency of the tests. Each target runs in a process of its own, guided by which
parts of the product an input reaches. What breaks a promise is kept as a file of bytes below --out and replayed by
`python tests/fuzz/run.py --replay FILE TARGET`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

_INSIDE = "--inside"
"""First argument of the process of one target; what follows its name is for libFuzzer."""
_DONE = re.compile(r"Done (\d+) (?:runs|in)|^#(\d+)\s", re.MULTILINE)


def main() -> int:
    """Run what was asked for; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="target")
    parser.add_argument("--minutes", type=float, default=1.0, help="of each target")
    parser.add_argument(
        "--out", type=Path, default=Path("/tmp/deepanalyze-fuzz"), help="where inputs and crashes are kept"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one target on one kept input")
    options = parser.parse_args()
    import targets

    names = options.targets or list(targets.TARGETS)
    if unknown := set(names) - set(targets.TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(targets.TARGETS)}")
    if options.replay:
        targets.timed(targets.TARGETS[names[0]], options.replay.read_bytes())
        print("the promise is kept")
        return 0
    print(f"{'target':<10} {'minutes':>7} {'inputs':>10} {'crashes':>7}", flush=True)
    found = [watch(name, targets.seeds(name), options.minutes, options.out / name) for name in names]
    return int(sum(found) > 0)


def fuzz(name: str, arguments: list[str]) -> None:
    """What the process of one target does; it does not return."""
    import atheris

    with atheris.instrument_imports(include=["deepanalyze_cli", "markdown_it"]):
        import targets
    target = targets.TARGETS[name]
    atheris.Setup([sys.argv[0], *arguments], lambda data: targets.timed(target, data))
    atheris.Fuzz()


def watch(name: str, seeds: list[bytes], minutes: float, folder: Path) -> int:
    """Fuzz one target to the end of its time, going on behind a crash; the number of different crashes."""
    corpus, crashes = folder / "corpus", folder / "crashes"
    for place in (corpus, crashes):
        place.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    started, inputs, found = time.monotonic(), 0, {}
    while (left := minutes * 60 - (time.monotonic() - started)) > 1:
        command = [sys.executable, __file__, _INSIDE, name, f"-max_total_time={int(left)}", "-timeout=20"]
        command += ["-max_len=2048", "-rss_limit_mb=2048", f"-artifact_prefix={crashes}/", str(corpus)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        counts = [int(number) for pair in _DONE.findall(done.stderr) for number in pair if number]
        inputs += max(counts, default=0)
        if done.returncode == 0:
            break
        where, kept = told(done.stdout + done.stderr)
        if where in found or not kept:  # the same again, or it cannot even begin
            found.setdefault(where, kept)
            break
        found[where] = kept
    print(f"{name:<10} {(time.monotonic() - started) / 60:>7.1f} {inputs:>10,} {len(found):>7}", flush=True)
    for where, kept in found.items():
        print(f"  {where}\n  replay: {kept or 'nothing was kept'}", flush=True)
    return len(found)


def told(output: str) -> tuple[str, str]:
    """What went wrong and where, in a line, and the file of the input."""
    frames = re.findall(r'File "([^"]+)", line (\d+)', output)
    ours = [frame for frame in frames if "deepanalyze_cli" in frame[0] or "tests/fuzz" in frame[0]] or frames
    last = f"{Path(ours[-1][0]).name}:{ours[-1][1]}" if ours else "?"
    said = re.findall(
        r"^(\w[\w.]*(?:Error|Broken|Exception|Interrupt)\b.{0,200}|ERROR: libFuzzer: .{0,80})", output, re.M
    )
    kept = re.findall(r"Test unit written to (\S+)", output)
    return f"{last}: {said[0] if said else output[-200:].strip()}", kept[-1] if kept else ""


if __name__ == "__main__":
    if sys.argv[1:2] == [_INSIDE]:
        fuzz(sys.argv[2], sys.argv[3:])
    raise SystemExit(main())
