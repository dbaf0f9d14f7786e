"""Findings as text, as GitHub's annotations, as JSON, and as SARIF 2.1.0."""

from __future__ import annotations

import json
from bisect import bisect
from pathlib import Path
from typing import Any

from keyless.console import escape_command
from keyless.model.edits import Place, Unfit, find_place, line_starts, read_target
from keyless.model.findings import Edit, Finding
from keyless.paths import ROOT
from keyless.rules import all_rules

SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
FIX = {
    True: "keyless check --fix makes this edit.",
    False: "This edit changes who is trusted, or what runs. Make it by hand.",
}


def report(found: list[Finding], form: str, root: Path = ROOT) -> None:
    """Print findings.

    Args:
        found: what the rules found.
        form: text, github, json or sarif.
        root: the folder of the repository, in which SARIF looks up where an edit begins and ends.
    """
    if form == "json":
        print(json.dumps([_as_object(finding) for finding in found], indent=2))
    elif form == "sarif":
        print(json.dumps(sarif(found, root), indent=2))
    elif form == "github":
        for finding in found:
            place = f"file={finding.path},line={finding.line},title={finding.rule}"
            text = escape_command(f"{finding.message}\n{finding.mend}")
            print(f"::error {place}::{text}")
    else:
        print(*found, sep="\n")


def _as_object(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON holds it; `edit` is null, or an object, too."""
    return {**finding._asdict(), "edit": finding.edit and finding.edit._asdict()}


def sarif(found: list[Finding], root: Path = ROOT) -> dict[str, Any]:
    """Return findings as a SARIF log [OASIS SARIF 2.1.0, sections 3.13 to 3.28].

    It holds every rule, whether it found something or not, as code scanning shows them.
    """
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.checks},
            "fullDescription": {"text": rule.why},
            **({"helpUri": rule.sources[0][1]} if rule.sources else {}),
            "help": {"text": f"Before:\n{rule.before}\n\nAfter:\n{rule.after}"},
        }
        for rule in all_rules()
    ]
    names = [rule["id"] for rule in rules]
    version = Path(__file__).with_name("VERSION").read_text(encoding="utf-8").strip()
    driver = {"name": "keyless", "semanticVersion": version, "rules": rules}
    results = [
        {
            "ruleId": finding.rule,
            "ruleIndex": names.index(finding.rule),
            "level": "error",
            "message": {"text": f"{finding.message}\n{finding.mend}".strip()},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": finding.path, "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": finding.line},
                    }
                }
            ],
            **_fixes(root, finding.edit),
        }
        for finding in found
    ]
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _fixes(root: Path, edit: Edit | None) -> dict[str, Any]:
    """Return the property `fixes` of a result, where its edit fits [SARIF 2.1.0, 3.55 to 3.57]."""
    if not edit:
        return {}
    try:
        _, text = read_target(root, edit.path)
        place = find_place(text, edit)
    except Unfit:
        return {}
    replacement = {
        "deletedRegion": _region(text, place),
        "insertedContent": {"text": place.after},
    }
    change = {
        "artifactLocation": {"uri": edit.path, "uriBaseId": "%SRCROOT%"},
        "replacements": [replacement],
    }
    return {"fixes": [{"description": {"text": FIX[edit.safe]}, "artifactChanges": [change]}]}


def _region(text: str, place: Place) -> dict[str, int]:
    """Return where the part of a text begins and ends: lines and columns from 1 [3.30]."""
    starts = line_starts(text)
    first, last = (bisect(starts, each) for each in (place.start, place.end))
    return {
        "startLine": first,
        "startColumn": place.start - starts[first - 1] + 1,
        "endLine": last,
        "endColumn": place.end - starts[last - 1] + 1,
    }
