"""What runs, hidden, inside the kernel before the first cell: charts become outputs, floods and warnings stay short.

The text of this file is sent to the kernel (`prelude.CAPTURE`), so it imports nothing of ours, and it leaves no name
behind in the cells' namespace. A convenience for an honest program, not a wall around a hostile one.
"""

from __future__ import annotations

import base64
import errno
import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DPI = 144
PIECE = 1_000_000
"""Characters that are sent at once; a longer text loses its middle here and not after the journey."""
GAP = re.compile(r"\n\[\.\.\. ([\d,]+) characters cut \.\.\.\]\n")
LONGEST = 300
"""Characters of the text that stands in for a chart."""


def install(shell: Any) -> None:
    """Make one IPython shell fit for a reader that sees text only."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    quiet_warnings()
    bound_streams(shell)
    bound_values(shell)
    draw_to_outputs(shell)
    protect_data(shell)

    def stay(*_: object) -> None:
        raise SystemExit("a cell cannot end the kernel")

    shell.ask_exit = stay
    shell.system = shell.system_raw  # `!command` through a pipe: there may be no terminal to be had


def quiet_warnings() -> None:
    """Drop the warnings a reader can do nothing about, and put the others on one line without a path."""
    for category in (FutureWarning, DeprecationWarning, PendingDeprecationWarning):
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("ignore", message="Glyph .* missing from")
    warnings.filterwarnings("ignore", message=r"\s*A value is trying to be set on a copy of a slice")
    warnings.formatwarning = lambda message, category, *_, **__: f"{category.__name__}: {message}\n"


def bound_streams(shell: Any) -> None:
    """Keep a flood from filling memory on either side, and a lone surrogate from losing the text around it."""
    stream = type(sys.stdout)
    write, buffered = stream.write, getattr(stream, "_flush_buffers", None)
    unsent: dict[Any, int] = {}

    def write_bounded(self: Any, text: str) -> int:
        __tracebackhide__ = True
        written = write(self, shorten(text) if isinstance(text, str) else text)
        unsent[self] = unsent.get(self, 0) + len(text)
        if unsent[self] > 10 * PIECE:
            self.flush()
        return written

    def buffered_bounded(self: Any) -> Iterator[tuple[Any, str]]:
        unsent[self] = 0
        for parent, text in buffered(self):
            yield parent, shorten(text)

    def unshadow(*_: object) -> None:
        for opened in (sys.stdout, sys.stderr):
            vars(opened).pop("write", None)

    stream.write = write_bounded
    # IPython 9 puts a write of its own on the streams for the time of a cell, to keep all that is ever printed.
    shell.events.register("pre_run_cell", unshadow)
    if buffered is not None:
        stream._flush_buffers = buffered_bounded
    # A copy of what is written past Python goes to the process's first streams, which nobody reads.
    null = os.open(os.devnull, os.O_WRONLY)
    for copy in (getattr(opened, "_original_stdstream_copy", None) for opened in (sys.stdout, sys.stderr)):
        if copy is not None:
            os.dup2(null, copy)
    os.close(null)


def bound_values(shell: Any) -> None:
    """The same for the value of a cell: text loses its middle, HTML and the like that is too long is left out."""
    complete = shell.display_formatter.format

    def format_bounded(*arguments: Any, **named: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = complete(*arguments, **named)
        for mime, value in list(data.items()):
            if isinstance(value, str) and not mime.startswith("image/"):
                data[mime] = shorten(value)
                if len(value) > PIECE and mime != "text/plain":
                    del data[mime]
        return data, metadata

    shell.display_formatter.format = format_bounded


def shorten(text: str) -> str:
    """Cut from the middle, and make the rest fit for sending. `kernel_messages` reads the count."""
    __tracebackhide__ = True
    if len(text) > PIECE:
        before = GAP.findall(text, PIECE // 2, len(text) - PIECE // 2)
        cut = len(text) - PIECE + sum(int(count.replace(",", "")) for count in before)
        text = f"{text[: PIECE // 2]}\n[... {cut:,} characters cut ...]\n{text[-PIECE // 2 :]}"
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def protect_data(shell: Any) -> None:
    """Refuse what Python itself would write into `DATA_DIR`; libraries in C are not seen here."""
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def refuse(path: Any, *, follow: bool) -> None:
        __tracebackhide__ = True
        data = shell.user_ns.get("DATA_DIR")
        if data is None or not isinstance(path, (str, bytes, os.PathLike)):
            return
        named = Path(os.fsdecode(path))
        target = named.resolve() if follow else named.parent.resolve() / named.name
        if target.is_relative_to(Path(data).resolve()) and not target.is_relative_to(Path.cwd()):
            raise PermissionError(errno.EACCES, "the data folder is read-only, write to the working folder", str(path))

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        __tracebackhide__ = True
        if event == "open" and arguments[2] & writing:
            refuse(arguments[0], follow=True)
        elif event in ("os.remove", "os.rename", "os.truncate"):
            refuse(arguments[0], follow=False)

    sys.addaudithook(watch)


def draw_to_outputs(shell: Any) -> None:
    """Every chart becomes one output: when it is saved or shown, or when its cell ends without an error."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

    seen: set[str] = set()
    write = Figure.savefig

    def publish(figure: Any, name: str = "") -> None:
        if figure.axes and (png := picture(figure)) not in seen:
            seen.add(png)
            shell.display_pub.publish(data={"image/png": png, "text/plain": describe(figure, name)})

    def save_figure(figure: Any, target: Any, *arguments: Any, **named: Any) -> None:
        __tracebackhide__ = True
        write(figure, target, *arguments, **named)
        if isinstance(target, (str, os.PathLike)):
            publish(figure, Path(target).name)

    def show_figure(figure: Any, *_: object, **__: object) -> None:
        pyplot.close(figure)
        publish(figure)

    def show(*_: object, **__: object) -> None:
        for figure in [pyplot.figure(number) for number in pyplot.get_fignums()]:
            show_figure(figure)

    def finish(result: Any) -> None:
        try:
            if result is not None and result.success:
                show()
        finally:
            pyplot.close("all")
            seen.clear()

    def picture_shown(figure: Any) -> str | None:
        pyplot.close(figure)
        png = picture(figure)
        return None if png in seen else png

    pyplot.show, Figure.show, Figure.savefig = show, show_figure, save_figure
    shell.events.register("post_run_cell", finish)
    # A chart as the value of a cell, or given to display(), is shown once.
    formatters = shell.display_formatter.formatters
    formatters["image/png"].for_type(Figure, picture_shown)
    formatters["text/plain"].for_type(Artist, lambda artist, printer, _: printer.text(f"<{type(artist).__name__}>"))
    formatters["text/plain"].for_type(Figure, lambda figure, printer, _: printer.text(describe(figure)))
    # `%matplotlib inline` would put another way of drawing in place of this one.
    shell.register_magic_function(lambda line: None, "line", "matplotlib")


def picture(figure: Any) -> str:
    """PNG in base64; equal charts give equal text."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def describe(figure: Any, name: str = "") -> str:
    """What a chart shows, in one line of at most `LONGEST` characters, for a reader that cannot see it.

    `name` is the file it was saved as. `outputs.story` reads name and title.
    """
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    parts = [f"title {quoted(title)}"] if (title := figure.get_suptitle()) else []
    if len(panels) > 1:
        parts.append(f"{len(panels)} panels")
    text = " | ".join(filter(None, ["; ".join(parts), *(describe_panel(axes) for axes in panels)]))
    entries = [entry.get_text() for legend in figure.legends for entry in legend.get_texts()]
    text += f"; legend: {listed(entries)}" if entries else ""
    text = f"figure {one_line(name)}: {text}" if name else f"figure: {text}"
    return f"[{text}]" if len(text) <= LONGEST - 2 else f"[{text[: LONGEST - 3]}…]"


def describe_panel(axes: Any) -> str:
    legend = axes.get_legend()
    entries = [entry.get_text() for entry in legend.get_texts()] if legend else []
    slices = [str(patch.get_label()) for patch in axes.patches if type(patch).__name__ == "Wedge"]
    parts = [f"title {quoted(title_of(axes))}" if title_of(axes) else ""]
    if slices:
        parts.append(f"{len(slices)} slices: {listed(slices)}")
    elif axes.has_data():
        parts += [describe_axis("x", axes.xaxis), describe_axis("y", axes.yaxis), marks(axes)]
    else:
        parts.append("nothing drawn")
    parts.append(f"legend: {listed(entries)}" if entries else "")
    return "; ".join(filter(None, parts))


def title_of(axes: Any) -> str:
    """A panel's title, wherever it stands."""
    return next(filter(None, (axes.get_title(loc) for loc in ("center", "left", "right"))), "")


def describe_axis(name: str, axis: Any) -> str:
    """Name, label and what it spans: the categories, the dates or the range of the data."""
    from matplotlib.category import StrCategoryFormatter
    from matplotlib.dates import DateLocator, num2date
    from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter

    label = f"{name} {quoted(axis.get_label_text())}" if axis.get_label_text() else name
    formatter, locator = axis.get_major_formatter(), axis.get_major_locator()
    named = isinstance(locator, FixedLocator) and isinstance(formatter, (FixedFormatter, FuncFormatter))
    if named or isinstance(formatter, StrCategoryFormatter):
        return f"{label}: {listed([tick.get_text() for tick in axis.get_ticklabels()])}"
    low, high = sorted(axis.get_data_interval())
    if not (low <= high and abs(low) < float("inf") and abs(high) < float("inf")):
        low, high = sorted(axis.get_view_interval())
    if isinstance(locator, DateLocator):
        return f"{label} {num2date(low):%Y-%m-%d}..{num2date(high):%Y-%m-%d}"
    return f"{label} {low:.4g}..{high:.4g}{' (log)' if axis.get_scale() == 'log' else ''}"


def marks(axes: Any) -> str:
    """How many of which marks: '3 bars, 2 lines'."""
    from matplotlib.collections import PathCollection, PolyCollection, QuadMesh
    from matplotlib.container import BarContainer

    bars = sum(len(container) for container in axes.containers if isinstance(container, BarContainer))
    boxes = sum(type(patch).__name__ == "PathPatch" for patch in axes.patches)
    points = sum(len(drawn.get_offsets()) for drawn in axes.collections if isinstance(drawn, PathCollection))
    counts = {
        "bars": bars,
        "boxes": boxes,
        # Whiskers and error bars are lines too, and not worth a word.
        "lines": 0 if bars or boxes else sum(len(line.get_xdata()) > 1 for line in axes.lines),
        "points": points,
        "areas": sum(isinstance(drawn, PolyCollection) for drawn in axes.collections),
    }
    grids = [drawn.get_array().shape for drawn in axes.collections if isinstance(drawn, QuadMesh)]
    grids += [image.get_array().shape for image in axes.images]
    texts = [f"{count} {name if count > 1 else name.removesuffix('s')}" for name, count in counts.items() if count]
    return ", ".join(texts + [f"grid of {'x'.join(map(str, shape[:2]))}" for shape in grids])


def listed(texts: list[str]) -> str:
    """The first eight, and how many there are."""
    shown = ", ".join(one_line(text) for text in texts[:8])
    return f"{shown}, … ({len(texts)})" if len(texts) > 8 else shown


def quoted(text: str) -> str:
    return f"'{one_line(text)}'"


def one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}…"
