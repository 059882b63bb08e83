"""An HTML page as a reader's tools see it: its tags must close, and it may need nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input"}
LOADS = {"src", "srcset", "data", "action", "poster", "background"}


class Page(HTMLParser):
    """A parsed page. Reading one asserts that it is well-formed and self-contained, and runs no script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.headings: list[int] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open
        assert len(self.ids) == len(set(self.ids))
        assert set(self.targets) <= set(self.ids)
        assert not {"script", "link", "iframe", "object", "embed", "image", "use"} & set(self.tags)
        assert set(re.findall(r"url\((.)", text)) <= {"#"}
        assert "@import" not in text

    @property
    def says(self) -> str:
        """The words of the page."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        for name, value in attrs:
            assert name not in LOADS and not name.startswith("on"), (tag, name, value)
            if name == "id":
                self.ids.append(str(value))
            if name in ("href", "xlink:href"):
                assert str(value).startswith("#"), value
                self.targets.append(str(value)[1:])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)
