"""What a repository was generated with: .cookiecutter.json."""

from __future__ import annotations

import json
from pathlib import Path

from keyless.paths import ANSWERS

# Where the programs that apply infra/ come from.
INSTALL_PAGES = {
    "terraform": "https://developer.hashicorp.com/terraform/install",
    "tofu": "https://opentofu.org/docs/intro/install",
}


def applying_program(root: Path) -> str:
    """Return the program that applies a repository's infra/: what was answered for iac_tool.

    Where the answers cannot be read, it is Terraform.
    """
    try:
        answers = json.loads((root / ANSWERS).read_text(encoding="utf-8"))["default_context"]
        opentofu = answers["iac_tool"] == "opentofu"
    except (OSError, ValueError, LookupError, TypeError):
        return "terraform"
    return "tofu" if opentofu else "terraform"
