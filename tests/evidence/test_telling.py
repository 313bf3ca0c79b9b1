"""What may stand as plain text in a sentence that code prints, and what may not."""

from __future__ import annotations

import pytest

from deepanalyze_cli.evidence.telling import computed, group_names, typed_facts
from deepanalyze_cli.types import Column, DataSource, Table

NAMES = frozenset(("Adelie", "Gentoo", "Baie Dumas", "M", "2007"))

CELLS: dict[str, tuple[str, tuple[str, ...]]] = {
    "all from variables": ('print(f"{top} has {high:.1f} g (n = {n:,}).")', ()),
    "a number": ('print(f"{top} has 5,076.0 g.")', ("5,076.0",)),
    "a year and its comma": ('print(f"In 2007, {top} had {high} g.")', ("2007",)),
    "a year that is looked up": ("print(f\"In 2007, it was {stats.loc[2007, 'mean']:.1f} g.\")", ()),
    "a name": ('print(f"Adelie has {high} g.")', ("Adelie",)),
    "a name that is looked up": ("print(f\"Adelie has {stats.loc['Adelie', 'mean']} g.\")", ()),
    "a name that another sentence looks up": (
        'print(f"{stats[\'Adelie\']} g.")\nprint(f"Adelie has {high} g.")',
        ("Adelie",),
    ),
    "a name of two words": ('print(f"{n} birds at Baie Dumas.")', ("Baie Dumas",)),
    "a part of a word": ('print(f"{n} Gentoos, m2 and Adelies.")', ()),
    "a name of one letter": ('print(f"M has {n}.")', ()),
    "a constant in braces": ("print(f\"{'Adelie'} has {3700} g.\")", ("3700", "Adelie")),
    "a sum of strings": ('print("Adelie has " + str(high) + " g, not 3000.")', ("3000", "Adelie")),
    "a sum that looks it up": ("print('Adelie has ' + str(stats['Adelie']) + ' g.')", ()),
    "format": ('print("{0:.1f} g for {1:>10}, and 7 for Gentoo.".format(high, top))', ("7", "Gentoo")),
    "format with a constant": ('print("{} has {high}.".format("Adelie", high=high))', ("Adelie",)),
    "percent": ('print("%5.2f g for %s, and 7 for %s." % (high, top, "Gentoo"))', ("7", "Gentoo")),
    "several arguments": ('print("Adelie has", high, "g, not", 3000)', ("3000", "Adelie")),
    "two names, always in this order": ('print(f"Gentoo and Adelie have {n}.")', ("Adelie", "Gentoo")),
    "outside of print": ("limit = 3000\nname = 'Adelie'\nprint(f'{n} rows.')", ()),
    "a syntax error": ('print(f"Adelie has', ()),
}


@pytest.mark.parametrize("case", CELLS)
def test_typed_facts(case):
    cell, facts = CELLS[case]
    assert typed_facts(cell, NAMES) == facts


@pytest.mark.parametrize(
    ("cell", "is_computed"),
    [
        ('print(f"{top} has it.")', True),
        ('print("The mean is", mean)', True),
        ('print("The mean is " + str(mean))', True),
        ('print("The mean is %s." % mean)', True),
        ('print("The mean is {}.".format(mean))', True),
        ('print("The mean is high.")', False),
        ('print(f"The mean is {5}.")', False),
        ('print("=" * 40)', False),
        ('text = f"{top}"\nprint("The mean is high.")', False),
        ("top", False),
        ("print(", True),
    ],
)
def test_computed(cell, is_computed):
    assert computed(cell) == is_computed


def test_names_of_groups():
    columns = (
        Column("species", "text", examples=("Adelie (152)", "Chinstrap (1,068)", "odd (one)")),
        Column("mass", "integer", examples=("3700 (4)",)),
        Column("alive", "boolean", examples=("true (3)",)),
    )
    source = DataSource("a.csv", "/a.csv", "csv", 1, "", (Table("a", 3, columns, "..."),))
    assert group_names([source]) == frozenset({"Adelie", "Chinstrap", "odd (one)", "true"})
