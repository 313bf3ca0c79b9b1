"""`deepanalyze doctor`: does this machine have what a run needs, and how strong is its sandbox?"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import DeepAnalyzeError, ExitCode


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `cure` says what to do where it is not `ok`."""

    name: str
    state: Literal["ok", "note", "bad"]
    says: str
    cure: str = ""
    details: tuple[str, ...] = ()


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Check this machine: the sandbox really reached, a kernel in it, the default model.

    Exit codes: 0 a run can work here, 7 no sandbox or no kernel.
    """
    checks = []
    for check in _checks():
        checks.append(check)
        if not as_json:
            _print(check)
    well = all(check.state != "bad" for check in checks)
    if as_json:
        print(json.dumps({"ok": well, "checks": [asdict(check) for check in checks]}, ensure_ascii=False))
    raise typer.Exit(ExitCode.OK if well else ExitCode.KERNEL)


def _checks() -> Iterator[Check]:
    from ..sandbox import tiers

    reached = None
    for tier in tiers.tiers():
        if not tier.level:
            continue
        why = tiers.probe(tier)
        if reached is None and not why:
            reached = tier
            yield Check("sandbox", "ok", str(tier), "", tuple(f"does not stop: {gap}" for gap in tier.gaps))
        else:
            yield Check(f"sandbox {tier.name}", "note", why or f"works as well (--sandbox {tier.name})")
    if reached is None:
        cure = "allow user namespaces or install bubblewrap; or, for data and models you trust, type --sandbox none"
        yield Check("sandbox", "bad", "none can be made here", cure)
        return
    yield _kernel()
    yield _model()


def _kernel() -> Check:
    from ..kernel import JupyterKernel

    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="deepanalyze-") as folder, JupyterKernel(Path(folder)) as kernel:
            observation = kernel.execute("1 + 1", timeout=30)
    except DeepAnalyzeError as error:
        return Check("kernel", "bad", error.message, error.fix)
    if observation.status != "ok":
        return Check("kernel", "bad", f"1 + 1 ended as {observation.status}: {observation.note}", "install again")
    return Check("kernel", "ok", f"runs code in the sandbox, ready in {time.monotonic() - began:.1f} s")


def _model() -> Check:
    from ..models import registry, store
    from ..settings import Settings

    card = registry.find(Settings().model)
    if path := store.locate(card):
        return Check("model", "ok", f"{card.name} is at {path}")
    cure = f"fetched by the first run, or now by `deepanalyze models pull {card.name}`"
    return Check("model", "note", f"{card.name} is not on this machine ({card.bytes / 1e9:.1f} GB)", cure)


def _print(check: Check) -> None:
    from ..outputs.text import one_line

    marks = {"ok": "ok ", "note": "-  ", "bad": "BAD"}
    print(f"{marks[check.state]} {check.name}: {one_line(check.says, 300)}")
    for detail in check.details:
        print(f"      {one_line(detail, 300)}")
    if check.cure:
        print(f"      {check.cure}")
