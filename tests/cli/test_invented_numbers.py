"""The fault of the published student-loan report, rebuilt: the only cell that fits a model fails, and the report states
its accuracy, an F statistic, odds ratios and effects all the same. Real command, data and kernel; scripted model.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import PENGUINS, answer, cell, run, script

LOOK = """print('rows:', len(penguins))
print(penguins.groupby('species')['body_mass_g'].agg(['count', 'mean']).round(1))"""
FIT = """from sklearn.ensemble import RandomForestClassifier
X = penguins[['bill_length_mm', 'wing_mm']]
model = RandomForestClassifier(random_state=0).fit(X, penguins['sex'])
print('accuracy:', model.score(X, penguins['sex']))"""
TYPED = "accuracy = 0.823\nprint('accuracy:', accuracy)"
REPORT = """# What tells the sexes apart

The data has 344 rows. Gentoo is the heaviest species with a mean body mass of 5,076.0 g.

A random forest reaches a predictive accuracy of 82.3 %. The model is significant, F(5, 1188) = 18.7.

| Predictor | Odds ratio |
| --- | --- |
| Bill length | 2.31 |

The betweenness of the network is 0.42."""
INVENTED = {"82.3 %", "18.7", "2.31", "0.42"}


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> tuple[dict, Path]:
    """What the command says of a run whose model does not mend its report, and the run's folder."""
    folder = tmp_path_factory.mktemp("invented")
    model = script(folder / "script.jsonl", cell(LOOK), cell(FIT), cell(TYPED), answer(REPORT), "I stand by it.")
    done = run(folder, "analyze", PENGUINS, "-m", model, "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return told, folder / told["run"]


def test_what_no_cell_printed_is_unsupported_and_what_one_did_is_verified(published):
    told, folder = published
    claims = json.loads((folder / "ledger.json").read_text())["claims"]
    verdicts = {claim["text"]: claim["verdict"] for claim in claims}
    assert {text for text, verdict in verdicts.items() if verdict == "unsupported"} >= INVENTED
    assert (verdicts["344"], verdicts["5,076.0 g"]) == ("verified", "verified")
    assert told["numbers"]["verified"] == 2 and told["numbers"]["contradicted"] == 0


def test_a_cell_that_prints_what_it_typed_is_no_evidence_and_is_told_so(published):
    _, folder = published
    events = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    turns = [event["turn"] for event in events if event["type"] == "turn_finished"]
    typed = next(turn for turn in turns if "0.823" in turn["completion"]["text"])
    assert "None of these numbers comes from the data" in typed["feedback"]


def test_the_numbers_went_back_to_the_model(published):
    _, folder = published
    events = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    turns = [event["turn"] for event in events if event["type"] == "turn_finished"]
    asked = next(turn["observation"]["note"] for turn in turns if "82.3" in turn["completion"]["text"])
    assert "- 82.3 %: no output of your code shows it" in asked and "344" not in asked
    assert [turn["step"]["purpose"] for turn in turns][-1] == "repair"


def test_what_remains_is_marked_and_told_at_the_head(published):
    told, folder = published
    report = (folder / "report.md").read_text()
    assert "82.3 % *(unsupported)*[^" in report and "not supported by any output, and marked" in report
    assert {doubt["number"] for doubt in told["doubts"]} >= INVENTED
    page = (folder / "report.html").read_text()
    assert '<span class="num unsupported" title="unsupported' in page


def test_strict_publishes_only_what_stands(tmp_path):
    model = script(tmp_path / "script.jsonl", cell(LOOK), cell(FIT), answer(REPORT), "I stand by it.")
    done = run(tmp_path, "analyze", PENGUINS, "-m", model, "-o", "out", "--json", "--strict")
    told = json.loads(done.stdout)
    assert done.returncode == 0 and not told["doubts"] and told["numbers"]["unsupported"] == 0
    report = (tmp_path / told["run"] / "report.md").read_text()
    assert "5,076.0 g" in report.partition("## Data")[0] and "--strict" in report
    assert not any(number in report.partition("## Code")[0] for number in INVENTED)
