"""What calls are known to do, by their names: which only read, which give something new, which change what they get.

A name that stands in no list is taken to change what it is called on and what it is given. So a gap here costs a cell
too many in the notebook, never one too few; only a name that is wrongly listed as reading could.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES = {
    **{"np": "numpy", "pd": "pandas", "plt": "matplotlib", "sns": "seaborn", "sm": "statsmodels", "Path": "pathlib"},
    **{name: name for name in ("os", "random", "shutil", "tempfile", "duckdb", "sqlite3")},
}
"""Names that the setup cell imports, and what they are."""

NEW_MODULES = _words(
    """numpy pandas scipy statsmodels sklearn seaborn matplotlib math statistics json re datetime time textwrap
    string random pathlib os io warnings duckdb sqlite3 shutil tempfile decimal fractions calendar hashlib
    tabulate"""
)
"""Modules whose functions give something that shares nothing with what they were given."""

SHARING = _words(
    """asarray asanyarray ascontiguousarray ravel reshape squeeze transpose atleast_1d atleast_2d broadcast_to
    DataFrame Series Index array_split split"""
)
"""Functions of these modules that may share all the same."""

BUILTINS = _words(
    """abs all any ascii bin bool bytes callable chr complex dict display divmod enumerate filter float format
    frozenset getattr hasattr hash hex id input int isinstance issubclass iter len list map max min object oct
    open ord pow pprint print range repr reversed round set slice sorted str sum super tuple type zip as_pandas
    Exception ValueError KeyError TypeError RuntimeError NotImplementedError help"""
)
"""Functions that only read what they are given."""

NEW_BUILTINS = _words(
    """abs all any ascii bin bool bytes chr complex divmod float format hash hex id int isinstance len oct ord pow
    print range repr round str sum type as_pandas"""
)
"""Those of them whose result shares nothing with it."""

CHANGING = _words(
    """add append appendleft clear close commit discard executemany extend extendleft fetchall fetchdf fetchmany
    fetchnumpy fetchone fill fit fit_predict fit_resample fit_transform insert itemset move_to_end next
    partial_fit pop popitem popleft put read readline readlines remove resize reverse rotate seed seek send
    set_params setdefault setfield setflags sort subtract truncate update write writelines writerow writerows
    difference_update intersection_update symmetric_difference_update"""
)
"""Methods that change their object; those of a frame do with `inplace=True`."""

KEEPING = _words("add append appendleft extend extendleft insert put setdefault update send")
"""Those of them after which the object holds what they were given."""

CHANGING_FUNCTIONS = _words(
    """next setattr delattr shuffle copyto place put putmask put_along_axis fill_diagonal heappush heappop heapify
    heappushpop heapreplace insort insort_left insort_right"""
)

SETTING = _words(
    """basicConfig chdir disable filterwarnings getcontext ioff ion putenv rc rcdefaults rc_file reset_defaults
    reset_option reset_orig resetwarnings set set_context set_eng_float_format set_option set_palette
    set_printoptions set_style set_theme setcontext seterr setlocale setrecursionlimit simplefilter
    switch_backend unsetenv use"""
)
"""Functions of modules that change how all later code behaves."""

FOLDERS = _words("makedirs mkdir move remove removedirs rename renames rmdir rmtree touch unlink")
"""What changes the file system otherwise than by writing a file."""

READERS = _words(
    """exists genfromtxt glob iglob imread is_file iterdir listdir load load_workbook loadtxt open read_bytes
    read_text rglob scandir walk ExcelFile connect from_csv_auto from_parquet"""
)
"""What reads files, besides names that start with `read_`."""

TABLES = _words("register unregister create create_view to_table to_view insert_into to_sql append")
"""Methods that make or change a table of the name they are given first."""

RANDOM = _words(
    """bootstrap choice choices exponential gauss integers lognormal monte_carlo_test multivariate_normal normal
    permutation permutation_test permuted poisson rand randint randn random random_sample randrange resample rvs
    sample shuffle standard_normal train_test_split triangular uniform"""
)
"""What draws from a generator of random numbers, and so moves it on."""

DRAWING = _words(
    """plot subplots add_subplot subplot gca gcf figure hist boxplot twinx twiny get_figure axes barplot histplot
    kdeplot scatterplot lineplot heatmap violinplot countplot regplot catplot relplot displot jointplot pairplot
    lmplot FacetGrid bar barh scatter pie"""
)
"""What gives charts and axes, of which every method draws."""

FRESH = _words(
    """abs add_prefix add_suffix agg aggregate all any argmax argmin argsort assign astype between bool capitalize
    cat clip coalesce combine_first compare conf_int contains convert_dtypes copy corr corrwith cos count cov
    cummax cummin cumprod cumsum cut date day_name describe df diff dot drop drop_duplicates dropna dt_days
    duplicated encode endswith eq equals eval exists expand explode extract factorize fetch_arrow_table ffill
    bfill fillna find findall first fmt format from_records fromkeys ge get_dummies get_params group groups gt
    hexdigest hist boxplot idxmax idxmin index info interpolate intersection is_integer is_monotonic isalnum
    isalpha isdigit isin isna isnull isnumeric isoformat isocalendar issubset issuperset item join keys kurt
    kurtosis last le len ljust lower lstrip lt mad map_values mask match max mean median melt memory_usage merge
    min mode month_name mul ne ngroup nlargest normalize notna notnull nsmallest nth nunique ohlc outer partition
    pct_change pivot pivot_table plot pow predict predict_proba prod product quantile radd rank reindex rename
    rename_axis repeat replace reset_index rfind rjust rolling_mean round rpartition rsplit rstrip sample score
    sem set_axis set_index shape shift show size skew slice sort_index sort_values sorted split splitlines sql
    query stack startswith std strftime strip strptime sub sum summary swapcase symmetric_difference tabulate
    timestamp title to_csv to_datetime to_dict to_excel to_html to_json to_latex to_list to_markdown to_parquet
    to_period to_pickle to_string to_timestamp to_timedelta today tolist total_seconds transform translate trapz
    truediv div tz_convert tz_localize unique union unstack upper value_counts var weekday where zfill bar barh
    box kde density line area pie scatter hexbin stem floor ceil time as_unit center removeprefix removesuffix
    casefold most_common elements total savefig write_text write_bytes read_text read_bytes is_file is_dir stat
    resolve expanduser mkdir touch unlink pl arrow explain get_feature_names_out inverse_transform
    decision_function evaluate f_test t_test"""
)
"""Methods that only read, and give something new."""

VIEWS = _words(
    """apply applymap asfreq at_time between_time cross distinct droplevel execute ewm expanding filter flatten get
    get_group get_level_values groupby head infer_objects insert_rows intersect items iterdir iterrows itertuples
    limit map nonzero order parent pipe project ravel relative_to resample reshape rolling select select_dtypes
    set_alias squeeze swapaxes swaplevel table tail take to_frame to_numpy to_series transpose truncate_rows
    values view with_suffix with_name xs table_function aggregate_rows glob rglob"""
)
"""Methods that only read, and give what may be a part of the object."""
