"""What must never be in a page: an element or an attribute that runs something or fetches something."""

from __future__ import annotations

from html.parser import HTMLParser

ELEMENTS = frozenset(
    [
        *(
            "p",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "em",
            "strong",
            "s",
            "del",
            "code",
            "pre",
            "ul",
            "ol",
            "li",
            "hr",
            "br",
        ),
        *("blockquote", "table", "thead", "tbody", "tr", "th", "td", "div", "span"),
    ]
)
ATTRIBUTES = {
    "class": lambda value: True,
    "dir": lambda value: value == "auto",
    "start": lambda value: value.isdecimal(),
    "style": lambda value: value in ("text-align:left", "text-align:right", "text-align:center"),
    "align": lambda value: value in ("left", "right", "center"),
}
OWN = {
    "a": {"id": lambda value: value.startswith("cell-"), "href": lambda value: value.startswith("#cell-")},
    "img": {"src": lambda value: value.startswith("figures/figure-"), "alt": lambda value: True},
}
"""What our own Markdown has besides: anchors of cells, links to them and pictures that lie beside it."""


class _Reader(HTMLParser):
    def __init__(self, own: bool):
        super().__init__(convert_charrefs=True)
        self.own = own
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        extra = OWN.get(tag) if self.own else None
        if tag not in ELEMENTS and extra is None:
            self.found.append(f"<{tag}>")
        allowed = ATTRIBUTES | (extra or {})
        for name, value in attrs:
            if name not in allowed or not allowed[name](value or ""):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_comment(self, data: str) -> None:
        self.found.append("<!-- -->")

    def handle_decl(self, decl: str) -> None:
        self.found.append("<!>")

    def handle_pi(self, data: str) -> None:
        self.found.append("<?>")

    def unknown_decl(self, data: str) -> None:
        self.found.append("<![>")


def active(html: str, *, own: bool = False) -> list[str]:
    """Everything in a piece of HTML that is not plain text in plain elements."""
    reader = _Reader(own)
    reader.feed(html)
    reader.close()
    return reader.found
