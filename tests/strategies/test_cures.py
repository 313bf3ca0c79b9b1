"""What an error is answered with; the errors are those that the real libraries raise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from deepanalyze_cli.strategies.cures import cure
from deepanalyze_cli.types import Column, DataSource, Observation, Output, Table

COLUMNS = ("Fare", " WINDDIR", "No. of cases", "Country/Region", "Sex")
SOURCE = DataSource("t.csv", "/t.csv", "csv", 1, "", (Table("t", 2, tuple(Column(c, "text") for c in COLUMNS), ""),))


def told(code: str) -> str:
    """The cure for what `code` really raises."""
    frame = pd.DataFrame({"Fare": [1.5, None], " WINDDIR": ["N", "S"], "Sex": ["m", "f"]})
    try:
        exec(code, {"df": frame, "pd": pd, "np": np})
    except Exception as error:
        data = {"ename": type(error).__name__, "evalue": str(error)}
        return cure(Observation("error", (Output("error", data),)), code, (SOURCE,))
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("df['fare']", "There is no column 'fare'; there is 'Fare'."),
        ("df['WINDDIR']", "there is ' WINDDIR'"),
        ("df[['Fare', 'WindDir']]", "there is ' WINDDIR'"),
        ("df.groupby('sex')", "there is 'Sex'"),
        ("df['Country']", "The columns are: 'Fare', ' WINDDIR', 'No. of cases'"),
        ("df['total_fare'] = 1\ndf['totalfare']", "there is 'total_fare'"),
        ("df.fare", "there is 'Fare'"),
        ("pd.read_csv('nowhere.csv')", "The tables are loaded already: t."),
        ("stats.zscore(df['Fare'])", "from scipy import stats"),
        ("df.mean()", "pd.to_numeric"),
        ("df.append(df)", "pd.concat"),
        ("df['Sex'].astype(float)", "pd.to_numeric"),
        ("df['Fare'].astype(int)", "Leave out the rows with missing values"),
        ("df['Fare'].str.lower()", "astype(str)"),
        ("if df['Fare'] > 1: pass", "& and |"),
        ("from sklearn.metrics import mean_squared_error as m\nm([1.0], [1.0], squared=False)", "np.sqrt"),
        ("from scipy.stats import pearsonr\npearsonr([1, 2, 3], [1, 2])", "same rows"),
        ("from sklearn.linear_model import LinearRegression as L\nL().fit([[np.nan]], [1])", "missing values"),
        ("import no_such_module", "no_such_module is not installed"),
        ("1 / 0", ""),
    ],
)
def test_the_cure(code, said):
    assert said in told(code) if said else told(code) == ""
