"""Workflows that others call: what they are given, and which entries trust them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from keyless.model.account import Account
from keyless.model.refs import names_branch, ref_kinds
from keyless.model.workflows import Workflow


def lending_entries(path: str, account: Account) -> dict[Any, dict[str, Any]]:
    """Return the first entries, of each kind, whose roles trust a workflow that others call."""
    found: dict[Any, dict[str, Any]] = {}
    for entry in account.entries.values():
        if lends(path, entry):
            lasts, named = entry.get("max_session_duration"), entry.get("environment") is None
            found.setdefault((named, lasts, *ref_kinds(entry["refs"])), entry)
    return found


def lends(path: str, entry: dict[str, Any]) -> bool:
    """Tell whether an entry's role trusts a workflow of this repository."""
    return (entry.get("job_workflow_ref") or "").partition("@")[0].endswith(f"/{path}")


def caller_inputs(account: Account, entry: dict[str, Any]) -> dict[str, str]:
    """Return what a service's workflow passes to the one that publishes for it."""
    inputs = {
        "role-to-assume": account.role(entry),
        "aws-region": account.region,
        "ecr-repository": entry["ecr_repository"],
        "version": "${{ github.ref_name }}",
    }
    if names_branch(entry["refs"]):
        inputs["version"] = "main-${{ github.run_number }}"
    environment = entry.get("environment")
    return inputs if environment is None else {**inputs, "environment": environment}


def resolve_inputs(target: Workflow, values: dict[str, str]) -> dict[str, Any]:
    """Return the inputs of a workflow that is called: those given, else their defaults."""
    declared = target.root.of("on", "workflow_call", "inputs")
    found: dict[str, Any] = {}
    for name in declared:
        value = values.get(name, declared.of(name).text("default"))
        if declared.of(name).text("type") == "boolean" and "${{" not in value:
            found[f"inputs.{name}".lower()] = value.lower() == "true"
        else:
            found[f"inputs.{name}".lower()] = value
    return found


def uses_spellings(entry: dict[str, Any]) -> set[str]:
    """Return how `uses:` may name the workflow that an entry's role trusts."""
    called = entry.get("job_workflow_ref") or ""
    return {called, short_reference(called)} - {""}


def short_reference(called: str) -> str:
    """Return a claim job_workflow_ref as `uses:` is usually written: with the ref's name alone."""
    return re.sub("@refs/(heads|tags)/", "@", called)


def own_repository(root: Path, account: Account) -> str | None:
    """Return the name of this repository, as its own entry has it; None where none is known."""
    try:
        answers = json.loads((root / ".cookiecutter.json").read_text(encoding="utf-8"))
        return str(account.entries[answers["default_context"]["project_slug"]]["github_repository"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
