"""`ledger.json`: how it is written, and read by somebody who does not trust it. What claims mean `ledger` says."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from ..artefacts import Refused, read_artefact
from ..errors import InputError
from ..types import Claim, Evidence, Ledger, Verdict

NAME = "ledger.json"
MOST = 64 * 1024 * 1024


def dumps(ledger: Ledger) -> str:
    """The ledger as JSON: how many of each verdict, and every claim. Infinite values are texts, as JSON has none."""
    counts = {verdict: ledger.count(verdict) for verdict in get_args(Verdict)}
    claims = [asdict(claim) | {"value": _finite(claim.value)} for claim in ledger.claims]
    text = json.dumps({"version": 1, "counts": counts, "claims": claims}, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode() + "\n"


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def read_claims(folder: Path) -> tuple[Claim, ...]:
    """The claims in a run's folder, none where there is no ledger.

    Raises:
        InputError: it is no ledger.
    """
    try:
        told = json.loads(read_artefact(folder, NAME, MOST))
    except Refused as refused:
        if not (folder / NAME).exists():
            return ()
        raise _broken(refused.message) from None
    except (ValueError, RecursionError):
        raise _broken("not JSON") from None
    claims = told.get("claims") if isinstance(told, dict) else told
    if not isinstance(claims, list):
        raise _broken("no list of claims")
    return tuple(_claim(claim, f"claim {number}") for number, claim in enumerate(claims, 1))


def _claim(told: object, where: str) -> Claim:
    if not isinstance(told, dict):
        raise _broken(f"{where} is no object")
    texts = {name: told.get(name, "") for name in ("text", "unit", "sentence", "place", "verdict", "rule")}
    value, start, evidence = told.get("value", 0.0), told.get("start", 0), told.get("evidence", [])
    if not all(isinstance(text, str) for text in texts.values()) or texts["verdict"] not in get_args(Verdict):
        raise _broken(f"{where} is not of the form of a claim")
    if value in ("inf", "-inf", "nan"):
        value = float(value)
    if type(value) not in (int, float) or type(start) is not int or not isinstance(evidence, list):
        raise _broken(f"{where} is not of the form of a claim")
    return Claim(value=float(value), start=start, evidence=tuple(_evidence(e, where) for e in evidence), **texts)


def _evidence(told: object, where: str) -> Evidence:
    if not isinstance(told, dict) or type(turn := told.get("turn")) is not int:
        raise _broken(f"{where}: evidence without a turn")
    output, printed, line = told.get("output", 0), told.get("printed", ""), told.get("line", "")
    if type(output) is not int or not isinstance(printed, str) or not isinstance(line, str):
        raise _broken(f"{where}: evidence that is not of its form")
    return Evidence(turn, output, printed, line)


def _broken(why: str) -> InputError:
    return InputError(f"{NAME}: {why}", "the file was changed or damaged; make it again with `deepanalyze replay`")
