"""A merge that lost rows, from the cell to the model, the trace and the notebook, and a chart with bands of chance."""

from __future__ import annotations

from pathlib import Path

from command import PENGUINS, answer, cell, run, run_folder, script

from deepanalyze_cli.outputs.caveats import statistical_caveats
from deepanalyze_cli.outputs.trace import read_run

MERGE = """
places = pd.DataFrame({'island': ['Biscoe', 'Dream', 'Dream'], 'side': ['west', 'east', 'north']})
there = penguins.merge(places, on='island')
print(there.groupby('side')['body_mass_g'].agg(['count', 'mean']).round(1))
"""
CHART = "import seaborn as sns\nsns.barplot(data=there, x='side', y='body_mass_g').set_title('Mass');"
REPORT = "# Penguins\n\nIn the west 167 birds weigh 4716.0 g on average."
LINE = (
    "merge: penguins 344 x places 3 on island -> 416 rows; 52 rows of penguins have no partner and were dropped; "
    "island occurs up to 168 times in penguins and 2 in places, so rows were multiplied"
)


def test_it_is_told_to_the_model_and_the_run_is_verified(tmp_path: Path) -> None:
    model = script(tmp_path / "script.jsonl", cell(MERGE), cell(CHART), answer(REPORT))
    done = run(tmp_path, "analyze", PENGUINS, "-m", model, "-o", "out", "-q")
    assert done.returncode == 0, done.stderr
    folder = run_folder(tmp_path / "out")
    recorded = read_run(folder / "trace.jsonl")
    assert f"[{LINE}]" in recorded.turns[0].feedback
    assert f"Cell 1, {LINE}." in statistical_caveats(recorded)
    assert f"[{LINE}]" in (folder / "analysis.ipynb").read_text()
    verified = run(tmp_path, "verify", folder)
    assert (verified.returncode, verified.stdout.splitlines()[-1]) == (0, "all well"), verified.stdout
    assert "chart" not in verified.stdout.replace("charts", ""), verified.stdout
