"""The prompts: text files that are all there, and examples of code that is Python."""

from __future__ import annotations

import ast
from importlib.resources import files
from string import Template

import pytest

from deepanalyze_cli import prompts
from deepanalyze_cli.prompts import kinds, prompt

NAMES = sorted(path.name.removesuffix(".txt") for path in files(prompts).iterdir() if path.name.endswith(".txt"))


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_is_filled_in_whole(name):
    template = Template(files(prompts).joinpath(f"{name}.txt").read_text(encoding="utf-8"))
    assert template.is_valid()
    wanted = template.get_identifiers()
    text = prompt(name, **{key: f"<{key} $x {{y}}>" for key in wanted})
    assert all(f"<{key} $x {{y}}>" in text for key in wanted) and text == text.strip("\n")
    if wanted:
        with pytest.raises(KeyError):
            prompt(name)


@pytest.mark.parametrize("kind", kinds())
def test_the_example_of_a_kind_is_python(kind):
    forms = kinds()[kind]
    assert forms["ask"].endswith("?")
    for part in ("code", "tell", "chart"):
        ast.parse(forms[part])
    assert "print(" in forms["code"] and 'print(f"' in forms["tell"] and "print(" not in forms["chart"]
