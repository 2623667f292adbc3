"""The Jinja environment of the pages: everything escaped, nothing undefined."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from edgewright.report import text, view

if TYPE_CHECKING:
    from jinja2 import Environment


@functools.cache
def page_environment() -> Environment:
    """One for all pages: compiling the templates takes longer than filling them in."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("edgewright.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"pairs": view.pairs, "figure": text.figure, "value": text.value_text}
    return environment


def _shown(value: Any) -> Any:
    """Every text on the page without characters that turn the reading direction; markup and pictures as they are."""
    from markupsafe import Markup

    if isinstance(value, str) and not isinstance(value, Markup):
        return "\n".join(text.clean(line) for line in value.split("\n"))
    return value
