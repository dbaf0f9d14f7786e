"""Refuses a cookiecutter that is too old. This is the first extension that cookiecutter.json lists.

The name of this file is a message. Cookiecutter 1.7.3, which Debian 12 has, looks for no extension
in the template. So nothing of this template can run, and the missing module is all that it prints:

    Unable to load extension: No module named 'cookiecutter_2_6_or_newer_is_needed'

Cookiecutter 2.1 to 2.5 load this file before local_extensions/. They render cookiecutter.json with
Jinja's own delimiters, and look for a folder whose name holds them; 2.6.0 is the first version that
uses those of _jinja2_env_vars for both (pull request 1997 of cookiecutter).
"""

from __future__ import annotations

import re

from cookiecutter import __version__
from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

# The name of this file, the README and pyproject.toml say the same: test_cookiecutter_versions.py.
NEEDED = (2, 6)


class Version(Extension):
    """Judges the running cookiecutter before anything else of the template is loaded."""

    def __init__(self, environment: Environment) -> None:
        """Refuse a version that is too old.

        Raises:
            FailedHookException: cookiecutter prints its text as one line, with exit status 1.
        """
        super().__init__(environment)
        judge(__version__)


def judge(found: str) -> None:
    """Compare a version of cookiecutter with the one that is needed, by its first two numbers.

    Version 2.7.0 calls itself 2.6.0. A text without numbers cannot be compared, and is accepted.

    Raises:
        FailedHookException: the version is too old.
    """
    numbers = tuple(int(number) for number in re.findall("[0-9]+", found)[:2])
    if numbers and numbers < NEEDED:
        needed = ".".join(map(str, NEEDED))
        raise FailedHookException(
            f"cookiecutter: version {found} is installed, but this template needs {needed} or "
            "newer, so nothing was created. Use uvx cookiecutter@latest instead of cookiecutter. "
            f"Without uv, upgrade it first: python3 -m pip install 'cookiecutter>={needed}'"
        )
