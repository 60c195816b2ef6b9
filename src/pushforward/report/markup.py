"""HTML from small pieces, every text escaped unless it is markup already."""

import html
import re
from collections.abc import Mapping

__all__ = ["Markup", "command", "facts", "highlight", "scroll", "section", "tag"]

_VOID = {"img", "meta"}


class Markup(str):
    """A string that is HTML; any other string is text."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str) -> Markup:
    """The element `name`; children that are no `Markup` are escaped, and so are attributes (`class_` reads `class`).

    Example:
        >>> tag("p", "1 < 2, ", tag("b", "surely"), class_="note")
        '<p class="note">1 &lt; 2, <b>surely</b></p>'
    """
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    inner = "".join(child if isinstance(child, Markup) else html.escape(child) for child in children)
    return Markup(f"<{name}{given}>{inner}</{name}>")


def section(title: str, *children: Markup) -> Markup:
    """A part of the page under its heading."""
    name = title.lower().replace(" ", "-")
    return tag("section", tag("h2", title, id=name), *children, aria_labelledby=name)


def scroll(label: str, child: Markup) -> Markup:
    """A box that scrolls sideways on narrow screens, by keyboard too."""
    return tag("div", child, class_="scroll", tabindex="0", role="region", aria_label=label)


def facts(told: Mapping[str, str]) -> Markup:
    """Names and what they are, in a line."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in told.items()), class_="facts")


def command(told: str, *lines: str) -> Markup:
    """Words, and under them what to type."""
    return Markup(tag("p", told, class_="empty") + tag("pre", "\n".join(lines), tabindex="0"))


def highlight(text: str) -> Markup:
    """YAML with its keys, numbers and comments told apart."""
    lines = []
    for line in text.splitlines():
        key = re.match(r"^(\s*(?:- )*)([^\s:#'\"][^:#]*)(:)(?=\s|$)", line)
        rest = line[key.end() :] if key else line
        value = Markup(
            tag("i", rest, class_="comment")
            if rest.lstrip().startswith("#")
            else tag("i", rest, class_="number")
            if re.fullmatch(r"\s*(?:- )*(?:[-+]?[\d.]+(?:e[-+]?\d+)?|true|false|null)\s*", rest)
            else tag("i", rest)
        )
        lines.append(Markup((key[1] + tag("b", key[2]) + key[3] if key else "") + value))
    return tag("pre", Markup("\n".join(lines)), tabindex="0", class_="code")
