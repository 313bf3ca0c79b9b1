"""Grammars of questions: the forms with columns in their places, whatever the columns are called."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepanalyze_cli.prompts import kinds
from deepanalyze_cli.strategies.columns import PLACEHOLDER, form_grammar, fresh, miscast, playable, unit_of
from deepanalyze_cli.types import Column, Table

ROLES = {"NUMBER": ["mass", "flipper"], "CATEGORY": ["species", "island"], "TIME": ["year"]}
PLAYED_BY = {
    "OTHER_NUMBER": "flipper",
    "NUMBER": "mass",
    "OTHER_CATEGORY": "island",
    "CATEGORY": "species",
    "TIME": "year",
}
STRANGE = ['the "mass"', "a\\b", "two\nlines", "tab\t", "größe", "a|b", "{x}", "\U0001f427", "::= root", "\u202e"]

_STRING = re.compile(r'"((?:[^"\\\n]|\\U[0-9A-F]{8})*)"')


def language(grammar: str) -> re.Pattern[str]:
    """The regular expression of a GBNF grammar of strings, sequences, choices and rules without recursion."""
    rules = dict(line.split(" ::= ", 1) for line in grammar.split("\n"))

    def expression(body: str) -> str:
        made, at = "", 0
        for token in re.finditer(rf"{_STRING.pattern}|([a-z-]+)|( \| )|( )", body):
            assert token.start() == at, f"not GBNF: {body[at:]}"
            at, (text, rule, choice, _) = token.end(), token.groups()
            if text is not None:
                made += re.escape(re.sub(r"\\U([0-9A-F]{8})", lambda code: chr(int(code[1], 16)), text))
            made += f"(?:{expression(rules[rule])})" if rule else "|" if choice else ""
        assert at == len(body), f"not GBNF: {body[at:]}"
        return made

    return re.compile(expression(rules["root"]))


@pytest.mark.parametrize("kind", kinds())
def test_every_form_has_a_grammar_whose_questions_are_well_cast(kind):
    form = kinds()[kind]["ask"]
    assert playable(form, ROLES)
    questions = language(form_grammar(form, ROLES))
    question = PLACEHOLDER.sub(lambda word: PLAYED_BY[word.group()], form)
    assert questions.fullmatch(question) and miscast(question, form, ROLES) == ""
    assert not questions.fullmatch(form) and miscast(form, form, ROLES)
    assert not questions.fullmatch(question.replace("mass", "height").replace("species", "kind"))


@given(st.sampled_from(STRANGE) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_columns_of_any_name_stay_inside_their_string(name):
    form = "How does NUMBER differ?"
    grammar = form_grammar(form, {**ROLES, "NUMBER": ["mass", name]})
    questions = language(grammar)
    assert questions.fullmatch(f"How does {name} differ?") and questions.fullmatch("How does mass differ?")
    assert len(grammar.split("\n")) == 2 and grammar.isprintable() == ("\n" not in grammar)


def test_a_form_needs_as_many_columns_as_it_has_parts():
    form = "How do NUMBER and OTHER_NUMBER go together?"
    assert playable(form, ROLES) and not playable(form, {**ROLES, "NUMBER": ["mass"]})
    assert miscast("How do mass and mass go together?", form, ROLES).startswith("It must name 2 of these columns")
    assert not playable("How does NUMBER change over TIME?", {**ROLES, "TIME": []})


def test_columns_that_were_asked_about_are_left_out_while_enough_remain():
    roles = {**ROLES, "NUMBER": ["a", "b", "c"]}
    assert fresh(roles, [], "")["NUMBER"] == ["a", "b", "c"]
    assert fresh(roles, ["How does a differ?"], "")["NUMBER"] == ["b", "c"]
    assert fresh(roles, ["How does a differ?", "And b?"], "")["NUMBER"] == ["c", "a", "b"]
    assert fresh(roles, ["By species?"], "")["OTHER_CATEGORY"] == ["island"]
    assert fresh(roles, ["By species and island?"], "")["OTHER_CATEGORY"] == ["species", "island"]


def test_what_the_user_names_comes_first():
    roles = {"NUMBER": ["dep_delay", "arr_delay", "distance"], "CATEGORY": ["carrier", "origin"], "TIME": ["month"]}
    chosen = fresh(roles, [], "Which carriers have the longest delays?")
    assert (chosen["NUMBER"], chosen["CATEGORY"]) == (["dep_delay", "arr_delay"], ["carrier"])


@pytest.mark.parametrize(
    ("column", "unit"),
    [("bill_length_mm", "mm"), ("body_mass_g", "g"), ("height (cm)", "cm"), ("share_pct", "%"), ("flag_g", "")],
)
def test_a_unit_is_told_only_where_the_name_says_so(column, unit):
    table = Table("t", 9, (Column(column, "number"),), "...")
    assert unit_of(f"How does {column} differ by x?", table) == unit
