"""Edits of a generated project: in which file, what stands there, and what is written instead."""

from __future__ import annotations

from pathlib import Path

DEPLOY = ".github/workflows/deploy.yml"
CI = ".github/workflows/ci.yml"
TFVARS = "infra/terraform.tfvars.json"
REGISTRY = "infra/repository/registry.tf"
LIFECYCLE = "infra/repository/lifecycle.json"
# How cases name files.
FILES = {
    "action": ".github/actions/login/action.yml",
    "actions": "infra/repository/push-actions.json",
    "app": "app/server.py",
    "ci": CI,
    "deploy": DEPLOY,
    "dockerfile": "Dockerfile",
    "greet": ".github/actions/greet/action.yml",
    "ignore": ".dockerignore",
    "lifecycle": LIFECYCLE,
    "main": "infra/main.tf",
    "module variables": "infra/repository/variables.tf",
    "more": "infra/more.tf",
    "oidc": "infra/oidc.tf",
    "other": ".github/workflows/other.yml",
    "outputs": "infra/outputs.tf",
    "registry": REGISTRY,
    "service": "service.json",
    "tfvars": TFVARS,
    "trust": "infra/repository/trust.tf",
    "variables": "infra/variables.tf",
    "versions": "infra/versions.tf",
}


def apply(root: Path, edit: list[str]) -> None:
    """Make an edit: triples of a file (path, or as FILES has it), what is there, what to write."""
    for name, before, after in zip(edit[::3], edit[1::3], edit[2::3], strict=True):
        change(root / FILES.get(name, name), before, after)


def change(path: Path, before: str, after: str) -> None:
    """Replace the first place of a part that must be there; an empty one appends."""
    text = path.read_text() if before or path.exists() else ""
    assert before in text, f"{before!r} is not in {path}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(before, after, 1) if before else text + after)
