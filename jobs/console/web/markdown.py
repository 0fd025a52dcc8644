"""Text from data in Markdown: one line, without markup and secrets."""

from __future__ import annotations

import re
from typing import Any, Final

from shared.scrub import scrub
from shared.text import one_line

__all__ = ["escape"]

# Each character that CommonMark lets a backslash escape, except those that begin no markup within a line. HTML is
# written as entities: many renderers let tags pass.
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]()#+!|~:=@^$-])")


def escape(value: Any) -> str:
    r"""Return a value as one line of Markdown that renders as the text itself.

    Args:
        value: any value.

    Example:
        >>> escape("<b>*x*</b> | y")
        '&lt;b&gt;\\*x\\*&lt;/b&gt; \\| y'
    """
    text = _MARKUP.sub(r"\\\1", one_line(scrub(str(value))))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
