"""Runs made of cells for the tests of the ledger: code, what it printed, how it ended."""

from __future__ import annotations

from deepanalyze_cli.types import (
    Action,
    Column,
    Completion,
    DataSource,
    Limits,
    ModelCard,
    Observation,
    Output,
    Run,
    Status,
    Step,
    StrategyName,
    Table,
    Task,
    Turn,
)

COLUMNS = (
    Column("species", "text", examples=("Adelie (152)", "Gentoo (124)", "Chinstrap (68)")),
    Column("sex", "text", examples=("male (168)", "female (165)")),
    Column("body_mass_g", "integer"),
    Column("bill_depth_mm", "number"),
    Column("year", "integer"),
)
PENGUINS = DataSource("penguins.csv", "/d/penguins.csv", "csv", 1, "", (Table("penguins", 344, COLUMNS, "..."),))


def cell(code: str, printed: str = "", status: Status = "ok", purpose: str = "act") -> tuple[str, str, Status, str]:
    """One cell, for `run_of`."""
    return code, printed, status, purpose


def run_of(*cells: tuple[str, str, Status, str], strategy: StrategyName = "free") -> Run:
    """A run over the penguins with these cells."""
    turns = tuple(_turn(number, *parts) for number, parts in enumerate(cells))
    card = ModelCard("test", "scripted", strategy=strategy)
    return Run("r", Task("What is there?", (PENGUINS,)), (), card, Limits(), turns=turns)


def _turn(number: int, code: str, printed: str, status: Status, purpose: str) -> Turn:
    outputs = (Output("stdout", {"text/plain": printed}),) if printed else ()
    if status == "error":
        outputs = (*outputs, Output("error", {"ename": "KeyError", "evalue": "0.823", "text/plain": "KeyError: 0.823"}))
    step = Step(purpose)  # type: ignore[arg-type]
    return Turn(number, step, Completion(code), (Action("code", code),), Observation(status, outputs))
