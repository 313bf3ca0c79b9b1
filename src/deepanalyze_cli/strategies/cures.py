"""What an error message means for the one who wrote the cell: the cure, in a line, from what is known of the data.

A small model that is told `KeyError: 'DIR'` writes the same again; told that the table has ` WINDDIR` it does not. Also
what has changed in the libraries since most models learned them. Facts of the libraries and of the data only.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Sequence

from ..types import DataSource, Observation, Table

COLUMNS_TOLD = 60

_Find = re.Match[str]
_Cure = str | Callable[[_Find], str]

_IMPORTS = {
    "stats": "from scipy import stats",
    "scipy": "import scipy.stats",
    "sm": "import statsmodels.api as sm",
    "smf": "import statsmodels.formula.api as smf",
    "sklearn": "import sklearn",
    "math": "import math",
    "re": "import re",
    "datetime": "from datetime import datetime",
    "statistics": "import statistics",
    "pearsonr": "from scipy.stats import pearsonr",
    "spearmanr": "from scipy.stats import spearmanr",
    "skew": "from scipy.stats import skew",
    "kurtosis": "from scipy.stats import kurtosis",
    "shapiro": "from scipy.stats import shapiro",
    "zscore": "from scipy.stats import zscore",
    "ttest_ind": "from scipy.stats import ttest_ind",
    "f_oneway": "from scipy.stats import f_oneway",
    "chi2_contingency": "from scipy.stats import chi2_contingency",
    "train_test_split": "from sklearn.model_selection import train_test_split",
    "LinearRegression": "from sklearn.linear_model import LinearRegression",
    "LogisticRegression": "from sklearn.linear_model import LogisticRegression",
    "RandomForestClassifier": "from sklearn.ensemble import RandomForestClassifier",
    "RandomForestRegressor": "from sklearn.ensemble import RandomForestRegressor",
    "StandardScaler": "from sklearn.preprocessing import StandardScaler",
    "MinMaxScaler": "from sklearn.preprocessing import MinMaxScaler",
    "LabelEncoder": "from sklearn.preprocessing import LabelEncoder",
    "accuracy_score": "from sklearn.metrics import accuracy_score",
    "mean_squared_error": "from sklearn.metrics import mean_squared_error",
    "r2_score": "from sklearn.metrics import r2_score",
    "KMeans": "from sklearn.cluster import KMeans",
}
_TEXT = "A column holds text: convert it with pd.to_numeric(df[column], errors='coerce'), or leave it out."
_GAPS = (
    "Leave out the rows with missing values in the columns that are used, first of all: df = df.dropna(subset=[...])."
)

_EXTRACT = (
    "Take the number out of the text first: "
    r"df[column].astype(str).str.replace(',', '').str.extract(r'(-?\d+\.?\d*)')[0].astype(float)."
)

CURES: tuple[tuple[str, _Cure], ...] = (
    (r"SyntaxError", 'The text of the answer belongs into print(f"..."), with values in {braces}.'),
    (r"mix of binary and continuous", "Make classes of what the model predicts: (predicted >= 0.5).astype(int)."),
    (r"invalid literal for int\(\).*'(.*\d.*)'|could not convert string to float: '(.*\d.*)'", _EXTRACT),
    (r"NameError: name '(\w+)' is not defined", lambda m: _IMPORTS.get(m[1], "")),
    (r"unexpected keyword argument 'squared'", "Use np.sqrt(mean_squared_error(y, predicted))."),
    (r"unexpected keyword argument 'sparse'", "The argument is called sparse_output."),
    (r"has no attribute 'get_feature_names'", "It is called get_feature_names_out."),
    (r"has no attribute 'append'", "Use pd.concat([a, b])."),
    (r"has no attribute 'iteritems'", "It is called items."),
    (r"has no attribute '(?:as_matrix|get_values)'", "Use .to_numpy()."),
    (r"module 'numpy' has no attribute '(float|int|bool|object|str)'", lambda m: f"Write {m[1]}."),
    (r"load_boston", "That data set is no longer part of scikit-learn; the tables are loaded already."),
    (r"agg function failed|Could not convert .* to numeric|could not convert string to float", _TEXT),
    (r"unsupported operand type\(s\) for .*'str'|not supported between instances of .*'str'", _TEXT),
    (r"(?:contains|contain infs or|must not contain infs or) NaN", _GAPS),
    (r"cannot convert float NaN to integer|Cannot convert non-finite values", _GAPS),
    (
        r"must have the same length|must be broadcastable|inconsistent numbers of samples",
        f"Both columns must come from the same rows. {_GAPS}",
    ),
    (r"Can only use \.str accessor", "Convert the column first: df[column].astype(str)."),
    (r"Can only use \.dt accessor", "Convert the column first: pd.to_datetime(df[column], errors='coerce')."),
    (r"truth value of a (?:Series|DataFrame) is ambiguous", "Combine conditions with & and |, each in parentheses."),
    (r"ModuleNotFoundError: No module named '([\w.]+)'", lambda m: f"{m[1]} is not installed: do without it."),
    (r"unsupported format string passed to Series", "Take one value out of the Series first, with .iloc[0]."),
    (r"cannot reindex on an axis with duplicate labels", "Reset the index first: df.reset_index(drop=True)."),
)


def cure(observation: Observation, code: str, sources: Sequence[DataSource]) -> str:
    """What to do about the error of a cell, or an empty string where nothing better is known than the error says."""
    error = next((o.data for o in observation.outputs if o.kind == "error"), {})
    name, said = error.get("ename", ""), error.get("evalue", "")
    tables = [table for source in sources for table in source.tables]
    if name == "FileNotFoundError":
        return f"Do not read files. The tables are loaded already: {', '.join(table.name for table in tables)}."
    if missing := _missing_columns(name, said, code):
        return _columns(missing, tables, code)
    for pattern, found in CURES:
        if match := re.search(pattern, f"{name}: {said}", re.DOTALL):
            return found if isinstance(found, str) else found(match)
    return ""


def _missing_columns(name: str, said: str, code: str) -> list[str]:
    """The columns that an error says are not there."""
    if name == "KeyError":
        listed = re.search(r"\[(.*?)\](?:, dtype='\w+'\))? (?:not in index|are in the \[)", said, re.DOTALL)
        if listed or said.startswith("["):
            return re.findall(r"'([^']*)'", (listed[1] if listed else said).split("dtype=")[0])
        return [said.strip("'\"")] if said.strip("'\"") else []
    if name == "AttributeError" and (found := re.match(r"'DataFrame' object has no attribute '(\w+)'", said)):
        return [found[1]] if f".{found[1]}(" not in code else []
    return []


def _columns(missing: Sequence[str], tables: Sequence[Table], code: str) -> str:
    made = _made(code)
    names = list(dict.fromkeys([c.name for table in tables for c in table.columns]))
    close = {name: _nearest(name, [*names, *made]) for name in missing}
    if any(close.values()):
        return " ".join(f"There is no column {name!r}; there is {other!r}." for name, other in close.items() if other)
    return f"The columns are: {', '.join(map(repr, names[:COLUMNS_TOLD]))}."


def _nearest(name: str, names: Sequence[str]) -> str:
    """The column that was probably meant: the same but for case and signs, else the most alike."""
    bare = _bare(name)
    same = [other for other in names if _bare(other) == bare and other != name]
    if same:
        return same[0]
    by_bare = {_bare(other): other for other in names if other != name}
    close = difflib.get_close_matches(bare, list(by_bare), 1, 0.75)
    return by_bare[close[0]] if close else ""


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _made(code: str) -> list[str]:
    """The columns that a cell assigns itself."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return []
    targets = [t for node in ast.walk(tree) if isinstance(node, ast.Assign) for t in node.targets]
    keys = [t.slice for t in targets if isinstance(t, ast.Subscript)]
    return [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
