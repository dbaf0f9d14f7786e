"""The variables that scripts write to GITHUB_ENV for the steps that follow.

[GitHub docs, "Workflow commands", "Setting an environment variable"]
"""

from __future__ import annotations

import re

_FILE = re.compile(r"\bGITHUB_ENV\b")
# echo "NAME=value" >> "$GITHUB_ENV", also of several lines, and what a program writes as text.
_WRITTEN = re.compile(
    r"""(?:\b(?:echo|printf|write|print|Write-Output)\b[^\n]*?["'(\s]|["'])"""
    r"""([A-Za-z_]\w*)(=|<<)(?=([^\n]*))"""
)
_HERE = re.compile(r"<<-?\s*[\"']?(\w+)[\"']?[^\n]*\n(.*?)\n\s*\1\b", re.DOTALL)
# What the runner sets for each step, as an expression has it.
_RUNNER = {
    "GITHUB_SHA": "github.sha",
    "GITHUB_REF_NAME": "github.ref_name",
    "GITHUB_REF": "github.ref",
    "GITHUB_RUN_ID": "github.run_id",
    "GITHUB_RUN_NUMBER": "github.run_number",
    "GITHUB_RUN_ATTEMPT": "github.run_attempt",
    "GITHUB_REPOSITORY": "github.repository",
}


def written_variables(script: str, files: dict[str, str] | None = None) -> dict[str, str]:
    """Return what a script writes to GITHUB_ENV, by name.

    A value that only the run knows is an expression that names the variable.

    Args:
        files: the files whose lines it writes there, by path.
    """
    if not _FILE.search(script):
        return {}
    found = {}
    for text in (files or {}).values():
        found.update(dict(re.findall(r"(?m)^\s*([A-Za-z_]\w*)=(.*?)\s*$", text)))
    for name, sign, rest in _WRITTEN.findall(script):
        found[name] = _value(name, rest) if sign == "=" else _unknown(name)
    for _, body in _HERE.findall(script):
        for name, sign, rest in re.findall(r"(?m)^\s*([A-Za-z_]\w*)(=|<<)(.*)$", body):
            found[name] = _value(name, rest) if sign == "=" else _unknown(name)
    return found


def _unknown(name: str) -> str:
    return f"${{{{ GITHUB_ENV.{name} }}}}"


def _value(name: str, rest: str) -> str:
    """Return the value behind NAME=, up to the quote or the redirection that ends it."""
    text = re.split(r"[\"']|\\n|\s*>>|\s+\|", rest, maxsplit=1)[0].strip()
    text = re.sub(
        r"\$\{?(GITHUB_\w+)\}?(?![#%:/\w])",
        lambda match: f"${{{{ {_RUNNER[match[1]]} }}}}" if match[1] in _RUNNER else match[0],
        text,
    )
    plain = re.sub(r"\$\{\{.*?\}\}", "", text)
    return _unknown(name) if re.search(r"[$`\\{]", plain) else text
