"""A text as a terminal shows it, drawn as SVG. The bytes depend on nothing but what is passed in.

Rich draws it. Its fonts come from the network, so the fonts of the reader's system replace them.
"""

from __future__ import annotations

import io
import re
import textwrap
from html import escape

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

WIDTH = 100  # columns
MONOSPACE = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"
BORDER = "rgba(128,128,128,0.5)"  # Rich has a white one, which nobody sees on a white page
FORMAT = f"""\
<svg role="img" aria-label="ALT" viewBox="0 0 {{width}} {{height}}" \
xmlns="http://www.w3.org/2000/svg">
<style>
.{{unique_id}}-matrix {{{{ font-family: {MONOSPACE}; font-size: {{char_height}}px }}}}
.{{unique_id}}-title {{{{ font-family: sans-serif; font-size: 18px; font-weight: bold }}}}
{{styles}}
</style>
{{chrome}}
<g transform="translate({{terminal_x}}, {{terminal_y}})">
{{backgrounds}}<g class="{{unique_id}}-matrix">
{{matrix}}
</g>
</g>
</svg>
"""
# Background, text, then black, red, green, yellow, blue, magenta, cyan, white.
COLOURS = {
    "light": "f6f8fa 1f2328 24292f cf222e 116329 7d4e00 0969da 8250df 1b7c83 6e7781",
    "dark": "161b22 e6edf3 484f58 ff7b72 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4",
}
# What cookiecutter shows in colours: the number of a question, its choices, its default.
STYLES = {
    r"^ +\[\d+/\d+\] ": "dim",
    r"\[\d(/\d)+\](?= \()": "bold magenta",
    r"\(\S*\)(?=:( |$))": "bold cyan",
}


def theme(name: str) -> TerminalTheme:
    """Return the colours of a terminal, light or dark."""
    background, text, *rest = (
        (int(each[:2], 16), int(each[2:4], 16), int(each[4:], 16)) for each in COLOURS[name].split()
    )
    return TerminalTheme(background, text, rest)


def draw(name: str, title: str, alt: str, text: str, colours: str) -> str:
    """Return the SVG of a text.

    Args:
        name: of the picture; the names inside of the SVG begin with it.
        title: stands above the text.
        alt: what one sees, in one sentence.
        text: lines; one of more than 100 characters goes on in the next row.
        colours: light or dark.
    """
    console = Console(
        width=WIDTH,
        record=True,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        highlight=False,
        _environ={},
    )
    for number, row in enumerate(rows(text)):
        shown = Text(row, style="" if number else "bold")
        for pattern, style in STYLES.items():
            shown.highlight_regex(pattern, style)
        console.print(shown)
    drawn = console.export_svg(
        title=title, theme=theme(colours), code_format=FORMAT, unique_id=name
    )
    # No row is wider than the picture, and none has to show where it ends.
    drawn = re.sub(r' clip-path="[^"]*"|<text [^>]*>\n</text>', "", drawn)
    drawn = drawn.replace("</text><text", "</text>\n<text").replace("ALT", escape(alt), 1)
    drawn = drawn.replace("rgba(255,255,255,0.35)", BORDER)
    return "".join(f"{line.strip()}\n" for line in drawn.splitlines() if line.strip())


def rows(text: str) -> list[str]:
    """Return the rows of a picture: a line that is too long is broken between words.

    It goes on as far in as it began.
    """
    found = []
    for line in text.splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        found += textwrap.wrap(
            line,
            WIDTH,
            subsequent_indent=indent,
            replace_whitespace=False,
            break_on_hyphens=False,
        ) or [""]
    return found
