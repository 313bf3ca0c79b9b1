"""Ordinary analysis goes on in every box as it does without one.

What a box takes away is listed with its reason, and is tested as well: once it works it has to leave the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from available import TIERS

from deepanalyze_cli.kernel import JupyterKernel
from deepanalyze_cli.prelude import CAPTURE
from deepanalyze_cli.sandbox import Box, Tier

GB = 1 << 30
EVERYDAY = {
    "pandas: read, group, write CSV and Parquet": """
import pandas as pd
frame = pd.read_csv(DATA, parse_dates=["day"])
frame.groupby("a").b.mean().to_csv("means.csv")
frame.to_parquet("all.parquet")
assert len(pd.read_parquet("all.parquet")) == 20_000
""",
    "DuckDB: a database file, a query that spills to disk": """
import duckdb
con = duckdb.connect("own.duckdb")
con.execute("SET memory_limit = '200MB'; SET temp_directory = 'spill'")
con.execute(f"CREATE TABLE t AS SELECT * FROM read_csv('{DATA}')")
[(count,)] = con.execute("SELECT count(*) FROM (SELECT x.b FROM t x, t y WHERE x.b < 150 ORDER BY random())").fetchall()
assert count == 3_000_000, count
con.close()
""",
    "SciPy: a test and a fit": """
import numpy as np
from scipy import optimize, stats
assert stats.ttest_ind(np.arange(50), np.arange(50) + 20).pvalue < 1e-6
assert abs(optimize.minimize_scalar(lambda x: (x - 2) ** 2).x - 2) < 1e-6
""",
    "statsmodels: a regression with a formula": """
import pandas as pd
import statsmodels.formula.api as smf
model = smf.ols("b ~ a", pd.read_csv(DATA).head(500)).fit()
assert "R-squared" in str(model.summary())
""",
    "seaborn: a chart of groups": """
import pandas as pd
import seaborn as sns
sns.barplot(pd.read_csv(DATA).head(700), x="a", y="b").set_title("Groups")
""",
    "matplotlib: PNG, SVG and PDF": """
import os
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.title("Ä line")
for kind in ("png", "svg", "pdf"):
    plt.savefig(f"line.{kind}")
    assert os.path.getsize(f"line.{kind}") > 1000
""",
    "matplotlib: a figure in the cell": """
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
""",
    "scikit-learn: cross-validation in two processes": """
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
values = np.random.default_rng(0).random((300, 5))
assert cross_val_score(RandomForestClassifier(20), values, values[:, 0] > 0.5, n_jobs=2, cv=3).mean() > 0.5
""",
    "joblib: two processes that share an array": """
import numpy as np
from joblib import Parallel, delayed
ones = np.ones(3_000_000)
assert sum(Parallel(n_jobs=2)(delayed(np.sum)(ones) for _ in range(2))) == 6_000_000
""",
    "multiprocessing: a pool": """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
""",
    "multiprocessing: a manager": """
import multiprocessing
with multiprocessing.get_context("fork").Manager() as manager:
    assert dict(manager.dict(a=1)) == {"a": 1}
""",
    "concurrent.futures: threads": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as threads:
    assert list(threads.map(abs, [-1])) == [1]
""",
    "asyncio: await in a cell": """
import asyncio
await asyncio.sleep(0.01)
""",
    "asyncio: a program": """
import asyncio
process = await asyncio.create_subprocess_exec("echo", "hi", stdout=-1)
assert (await process.communicate())[0] == b"hi\\n"
""",
    "programs: with ! and by subprocess": """
listed = !ls -la | head -2
assert len(listed) == 2
import subprocess
assert subprocess.check_output(["date", "-u", "+%Y"], text=True) > "2000"
""",
    "shutil: copy an input and change the copy": """
import os, shutil
shutil.copy(DATA, "copy.csv")
open("copy.csv", "a").write("x")
shutil.copytree(os.path.dirname(DATA), "copies")
assert os.path.getsize("copies/in.csv") + 1 == os.path.getsize("copy.csv")
""",
    "files: temporary, zip, tar, gzip, SQLite": """
import gzip, sqlite3, tarfile, tempfile, zipfile
with tempfile.TemporaryDirectory() as folder:
    open(f"{folder}/x", "w").write("1")
with zipfile.ZipFile("z.zip", "w") as archive:
    archive.write(DATA, "in.csv")
with tarfile.open("t.tar", "w") as archive:
    archive.add(DATA, "in.csv")
with gzip.open("g.gz", "wb") as file:
    file.write(b"1")
with sqlite3.connect("s.db") as con:
    con.execute("CREATE TABLE t(a)")
""",
    "Excel: write and read": """
import pandas as pd
pd.DataFrame({"a": [1]}).to_excel("e.xlsx", index=False)
assert pd.read_excel("e.xlsx").shape == (1, 1)
""",
    "the system: time zones, user, home, processors, memory": """
import getpass, locale, os, platform, uuid, zoneinfo
import psutil
assert str(zoneinfo.ZoneInfo("Europe/Paris")) == "Europe/Paris" and getpass.getuser()
assert os.access(os.path.expanduser("~"), os.W_OK) and os.cpu_count() and psutil.virtual_memory().total
assert platform.platform() and uuid.uuid1() and locale.getlocale()
""",
    "IPython: %timeit, %%time, %who, %pip list": """
%timeit -n1 -r1 sum(range(9))
%who
%pip list
""",
    "progress on one line": """
for share in range(3): print(f"\\r{share}", end="")
print()
""",
    "ctypes: a function made at run time": """
import ctypes
assert ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)(1) == 2
""",
    "a child of fork": """
import os
child = os.fork()
if child == 0: os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
""",
}
_NO_CONNECT = "managers connect to a socket, and connecting is closed to all code in a box"
_NO_SHM = "semaphores lie in /dev/shm, and without namespaces there is no private one"
LOST = {
    ("full", "multiprocessing: a manager"): _NO_CONNECT,
    ("bwrap", "multiprocessing: a manager"): _NO_CONNECT,
    ("landlock", "multiprocessing: a manager"): _NO_CONNECT,
    ("landlock", "multiprocessing: a pool"): _NO_SHM,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("everyday") / "in.csv"
    rows = (f"{i % 7},{i},2024-01-{i % 28 + 1:02}\n" for i in range(20_000))
    file.write_text("a,b,day\n" + "".join(rows))
    return file


@pytest.fixture(scope="module")
def kernel(
    tier: Tier, data: Path, private_place: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterKernel]:
    box = Box(tier, read=(data.parent,), memory=4 * GB)
    prelude = [CAPTURE, f"DATA = {str(data)!r}"]
    with JupyterKernel(tmp_path_factory.mktemp("work"), box=box, prelude=prelude) as kernel:
        yield kernel


@pytest.mark.parametrize("what", EVERYDAY)
@pytest.mark.parametrize("tier", TIERS, indirect=True)
def test_everyday_work(tier: Tier, kernel: JupyterKernel, what: str):
    observation = kernel.execute(EVERYDAY[what], timeout=60)
    said = "".join(output.data["text/plain"] for output in observation.outputs)
    if reason := LOST.get((tier.name, what)):
        assert observation.status != "ok", f"works now, so it need not be listed any more ({reason})"
    else:
        assert (observation.status, observation.note) == ("ok", ""), said
