"""Where the whole says the opposite of its parts: three published cases, and tables with nothing to see."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import duckdb
import pytest
from samples import EXAMPLES

from deepanalyze_cli.workspace.profile import friendly
from deepanalyze_cli.workspace.strata import Field, notes

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

# Admitted and applied, men and women, for the six largest departments. Source: P. J. Bickel, E. A. Hammel, J. W.
# O'Connell, "Sex Bias in Graduate Admissions: Data from Berkeley", Science 187 (1975), as in R's UCBAdmissions.
BERKELEY = {
    "A": (512, 825, 89, 108),
    "B": (353, 560, 17, 25),
    "C": (120, 325, 202, 593),
    "D": (138, 417, 131, 375),
    "E": (53, 191, 94, 393),
    "F": (22, 373, 24, 341),
}
# Successes and cases by size of stone and treatment. Source: C. R. Charig et al., BMJ 292 (1986).
STONES = {("small", "A"): (81, 87), ("large", "A"): (192, 263), ("small", "B"): (234, 270), ("large", "B"): (55, 80)}


def warnings_of(frame: Any) -> list[str]:
    """The notes on a DataFrame, read the way the profile sees it."""
    con = duckdb.connect()
    renamed = frame.set_axis([f"c{i}" for i in range(frame.shape[1])], axis=1)
    con.register("given", renamed)
    con.execute("CREATE TABLE t AS FROM given")
    fields = []
    for i, (field, sort, *_) in enumerate(con.execute("DESCRIBE t").fetchall()):
        distinct = con.execute(f"SELECT count(DISTINCT {field}) FROM t").fetchall()[0][0]
        fields.append(Field(i, field, frame.columns[i], friendly(sort), distinct))
    return list(notes(con, "t", len(frame), fields))


def people(rows: Sequence[tuple[Any, ...]], columns: list[str]) -> Any:
    """A row for each person, from counts."""
    return pd.DataFrame([row[:-1] for row in rows for _ in range(row[-1])], columns=columns)


def berkeley() -> Any:
    rows = []
    for dept, (men, all_men, women, all_women) in BERKELEY.items():
        rows += [(dept, "Male", True, men), (dept, "Male", False, all_men - men)]
        rows += [(dept, "Female", True, women), (dept, "Female", False, all_women - women)]
    return people(rows, ["dept", "gender", "admitted"])


def stones() -> Any:
    rows = [(*key, ok, n) for key, (good, of) in STONES.items() for ok, n in (("yes", good), ("no", of - good))]
    return people(rows, ["size", "treatment", "success"])


def test_berkeley() -> None:
    assert warnings_of(berkeley()) == [
        "the share of admitted = True is higher for gender = Male than for Female overall, "
        "but equal or lower within most dept: compare within dept"
    ]


def test_kidney_stones() -> None:
    assert warnings_of(stones()) == [
        "the share of success = yes is higher for treatment = B than for A overall, "
        "but lower within each size: compare within size"
    ]


def test_penguins() -> None:
    found = warnings_of(pd.read_csv(EXAMPLES / "penguins/penguins.csv"))
    assert len(found) == 3
    assert (
        "larger bill_length_mm goes with smaller bill_depth_mm overall, but with larger within each species: "
        "compare within species"
    ) in found


def test_gaps_infinite_numbers_and_hostile_names_do_no_harm() -> None:
    frame = stones().sample(frac=1, random_state=0, ignore_index=True)
    frame["size"] = frame["size"].where(frame.index % 50 > 0)
    frame["empty"] = np.nan
    frame["wild"] = np.where(frame.index % 3 > 0, np.inf, frame.index * 1e300)
    frame = frame.rename(columns={"treatment": "a`b\n<Answer>", "size": "x"})
    frame["a`b\n<Answer>"] = frame["a`b\n<Answer>"] + "\x1b[31m" + "z" * 300
    (warning,) = warnings_of(frame)
    assert warning.startswith("the share of success = yes is higher for 'a\\x60b\\n\\x3cAnswer>' = B[31mzzz")
    assert "\x1b" not in warning and "\n" not in warning and len(warning) < 300


@pytest.mark.parametrize("rows", [100, 1000, 5000])
def test_noise_is_silent(rows: int) -> None:
    for seed in range(12):
        chance = np.random.default_rng(seed)
        groups = {f"g{i}": chance.integers(0, 2 + i % 5, rows).astype(str) for i in range(6)}
        numbers = {f"y{i}": chance.normal(size=rows) for i in range(10)}
        assert warnings_of(pd.DataFrame({**groups, **numbers, "b": chance.random(rows) < 0.3})) == []


def test_a_difference_that_holds_within_the_strata_is_silent() -> None:
    for seed in range(12):
        chance = np.random.default_rng(seed)
        stratum = chance.integers(0, 4, 5000)
        group = chance.random(5000) < 0.2 + 0.2 * stratum
        frame = pd.DataFrame({"z": stratum.astype(str), "a": group, "y": chance.normal(size=5000) + stratum + group})
        assert warnings_of(frame) == []


def test_one_stratum_of_two_that_turns_round_is_not_most() -> None:
    rates = {("one", "A"): (10, 100), ("one", "B"): (180, 900), ("two", "A"): (729, 900), ("two", "B"): (80, 100)}
    rows = [(*key, ok, n) for key, (good, of) in rates.items() for ok, n in ((True, good), (False, of - good))]
    assert warnings_of(people(rows, ["z", "a", "ok"])) == []
    both = [("two", "B", True, 96) if row[:3] == ("two", "B", True) else row for row in rows]
    assert len(warnings_of(people(both, ["z", "a", "ok"]))) == 1


def test_strata_that_are_mostly_unknown_say_nothing() -> None:
    frame = pd.concat([stones()] * 20, ignore_index=True).sample(frac=1, random_state=0, ignore_index=True)
    assert len(warnings_of(frame)) == 1
    assert warnings_of(frame.assign(size=frame["size"].where(frame.index % 3 == 0))) == []


def test_a_wide_table_takes_no_second_and_says_the_same_each_time() -> None:
    chance = np.random.default_rng(0)
    groups = {f"g{i}": chance.integers(0, 2 + i % 7, 100_000).astype(str) for i in range(12)}
    frame = pd.DataFrame({**groups, **{f"y{i}": chance.normal(size=100_000) for i in range(28)}})
    began = time.process_time()
    assert warnings_of(frame) == []
    assert time.process_time() - began < 5, "the loading of the table included; some 0.4 s is the search"
    many = pd.concat([stones()] * 100, ignore_index=True)
    assert warnings_of(many) == warnings_of(many) != []
