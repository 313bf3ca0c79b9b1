"""What the launcher and its reports have to withstand, case by case, each with the tests that show it.

    python tests/sandbox/launcher_cases.py

Prints the second table of the attacks: C where every test of a case passed, `open` where one failed, `-` where one
could not be run here. Ends with 1 if a case is open or was not run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "ar-1": ("links, FIFOs, sockets, sparse files, `../`, NUL read as artefacts", (
        "tests/test_artefacts.py::test_only_a_plain_file_with_one_name_below_the_folder_is_read",
        "tests/test_artefacts.py::test_both_ways_of_opening_refuse_the_same",
    )),
    "ar-2": ("5,000 nested folders, modes of 0, links: removed, targets kept", (
        "tests/test_artefacts.py::test_deep_folders_go_fast_and_with_few_handles",
        "tests/test_artefacts.py::test_folders_without_rights_go_and_are_never_taken_for_empty",
    )),
    "ar-3": ("pandas.py, sitecustomize.py, Jupyter settings in the run's folder", (
        "tests/cli/test_hostile_data.py::test_what_a_cell_plants_in_the_run_folder_is_run_by_nobody",
    )),
    "ar-4": ("file names with newlines, escapes, tags, a leading dash, no UTF-8", (
        "tests/test_artefacts.py::test_strange_names_are_only_names",
        "tests/outputs/test_tables.py::test_names_any_terminal_can_bear",
    )),
    "ar-5": ("an artefact exchanged while it is read", (
        "tests/test_artefacts.py::test_a_race_of_swapped_files_links_and_folders_is_never_won",
        "tests/test_artefacts.py::test_what_grows_or_changes_between_two_pieces_is_refused",
    )),
    "ht-1": ("scripts, handlers, frames, refresh in cells, names, the question", (
        "tests/outputs/test_hostile.py::test_in_a_browser_nothing_runs_and_nothing_is_fetched",
        "tests/outputs/test_hostile.py::test_no_tag_of_a_page_leads_anywhere",
        "tests/outputs/test_hostile.py::test_the_second_layer_stops_them_without_the_first",
    )),
    "ht-3": ("a notebook with scripts, pictures from elsewhere, MIME kinds", (
        "tests/outputs/test_hostile.py::test_a_notebook_has_text_and_pictures_only",
    )),
    "md-1": ("pictures and links elsewhere in the model's Markdown", (
        "tests/outputs/test_hostile.py::test_no_markdown_leads_anywhere",
    )),
    "xl-1": ("formulas and links in tables for a spreadsheet", (
        "tests/test_export.py",
        "tests/outputs/test_tables.py",
    )),
    "te-1": ("terminal escapes, C1, bidi, NUL on the terminal", (
        "tests/outputs/test_untrusted.py::test_clean",
        "tests/outputs/test_view.py::test_the_terminal_gets_no_sequence_and_no_markup_of_others",
        "tests/cli/test_hostile_data.py::test_the_terminal_gets_no_control_character",
    )),
    "te-2": ("rich markup in data", (
        "tests/outputs/test_view.py::test_the_terminal_gets_no_sequence_and_no_markup_of_others",
    )),
    "bo-1..3": ("bombs: xlsx, XFD1048576, gz, Parquet, XML entities", ("tests/workspace/test_bombs.py",)),
    "zs-1": ("archive members that climb out", (
        "tests/workspace/test_bombs.py::test_zs_1_members_that_climb_out",
    )),
    "pk-1": ("a pickle among the data or as a model", (
        "tests/models/test_formats.py::test_nothing_of_ours_trusts_remote_code_or_loads_a_pickle",
        "tests/cli/test_hostile_data.py::test_everything_hostile_is_flagged",
    )),
    "ct-1": ("a chat template that reaches out, or never ends", (
        "tests/models/test_chat.py::test_a_template_can_do_no_harm",
        "tests/models/test_chat.py::test_a_template_that_nobody_vouches_for_ends_in_time",
    )),
    "gg-1": ("a GGUF that is cut, lies, or overflows", (
        "tests/models/test_gguf.py",
        "tests/models/test_trial.py",
    )),
    "st-1": ("a model folder with pickles or code", ("tests/models/test_formats.py",)),
    "pi-1": ("injections in values, headers, names; a model that obeys them", (
        "tests/cli/test_hostile_data.py",
        "tests/workspace/test_payloads.py",
        "tests/workspace/test_role_tokens.py",
    )),
    "cf-1": ("settings a cell left for the next run", (
        "tests/cli/test_hostile_data.py::test_what_a_cell_plants_in_the_run_folder_is_run_by_nobody",
        "tests/test_settings.py::test_a_settings_file_that_a_cell_wrote_is_not_read",
        "tests/test_settings.py::test_a_settings_file_inside_the_data_is_data",
        "tests/test_settings.py::test_no_sandbox_has_to_be_typed",
    )),
    "fb-1": ("namespaces, Landlock or seccomp missing", ("tests/sandbox/test_fallback.py",)),
    "re-1": ("a home, `/`, keys or sockets as data folder", ("tests/workspace/test_refuse.py",)),
}  # fmt: skip


def main() -> int:
    tests = sorted({test for _, tests in CASES.values() for test in tests})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        options = ["-q", "--tb=short", "-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={report}"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests], cwd=ROOT, capture_output=True, text=True, check=False
        )
        results = list(_results(report)) if report.exists() else []
    print("| id | case | tests | |\n|---|---|---|---|")
    verdicts = []
    for case, (what, wanted) in CASES.items():
        found = [result for test, result in results if any(test == want or test.startswith(want) for want in wanted)]
        verdict = "-" if not found or "skipped" in found else "open" if "failed" in found else "C"
        verdicts.append(verdict)
        print(f"| {case} | {what} | {len(found)} | {verdict} |")
    print(f"\n{verdicts.count('C')} of {len(CASES)} contained, {len(results)} tests")
    if verdicts.count("C") == len(CASES):
        return 0
    print(done.stdout[-4000:])
    return 1


def _results(report: Path) -> Iterator[tuple[str, str]]:
    """Each test as `file::name`, and `passed`, `failed` or `skipped`."""
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        result = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        yield f"{case.get('file')}::{case.get('name')}", result


if __name__ == "__main__":
    sys.exit(main())
