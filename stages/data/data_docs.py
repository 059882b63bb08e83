"""Great Expectations' data docs as files that open without a network: no web fonts, scripts or counting pixels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view.view import DefaultJinjaPageView

from stages.files import write_text

# The pages load Bootstrap, jQuery, Vega and a logo from the web; the tables read well with these few rules instead.
STYLE = """<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}td,th{border:1px solid #ccc;padding:.4rem .6rem;
text-align:left;vertical-align:top;overflow-wrap:anywhere}.modal,.navbar,footer,#ge-cta-footer,.cooltip,button{display:none}
.text-success{color:#186a3b}.text-danger{color:#b03a2e}.badge{background:#eee;border-radius:.3rem;padding:0 .3rem}
</style>"""
SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.S)
LINK = re.compile(r"<link\b[^>]*>")
IMAGE = re.compile(r"<img\b[^>]*>")
# Links to the web, and to the suite's own page, which is not built.
AWAY = re.compile(r'<a\b[^>]*href="(?:https?://|\.\./\.\./\.\./\.\./expectations/)[^>]*>.*?</a>', re.S)


def write_docs(folder: Path, pages: list[tuple[str, ExpectationSuiteValidationResult]]) -> None:
    """Write a page for each validated part and an index.

    Parameters
    ----------
    folder : Path
        Where the HTML files go.
    pages : list of (str, ExpectationSuiteValidationResult)
        Name and result of each part.
    """
    items = []
    for name, result in pages:
        for single in result.results:
            single.result.update(_plain(single.result))
        view: Any = DefaultJinjaPageView()
        html = view.render(ValidationResultsPageRenderer().render(result))
        write_text(folder / f"{name}.html", offline(html))
        failed = sum(not single.success for single in result.results)
        items.append(f'<li><a href="{name}.html">{name}</a>: {failed} of {len(result.results)} expectations fail</li>')
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Data docs</title>{STYLE}'
    write_text(folder / "index.html", f"{head}<h1>Expectations</h1><ul>{''.join(items)}</ul></html>\n")


def offline(html: str) -> str:
    """Return the page without anything that a browser would load from the web."""
    for pattern in (SCRIPT, LINK, IMAGE, AWAY):
        html = pattern.sub("", html)
    html = html.replace("../../../../index.html", "index.html")
    return html.replace("</head>", f"{STYLE}</head>", 1)


def _plain(result: dict[str, Any]) -> dict[str, Any]:
    # The renderer cannot print NumPy numbers.
    return {key: value.item() for key, value in result.items() if isinstance(value, np.generic)}
