"""Findings as text, as GitHub's annotations, as JSON, and as SARIF 2.1.0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keyless.console import escape_command
from keyless.model.findings import Finding
from keyless.rules import all_rules

SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def report(found: list[Finding], form: str) -> None:
    """Print findings.

    Args:
        form: text, github, json or sarif.
    """
    if form == "json":
        print(json.dumps([finding._asdict() for finding in found], indent=2))
    elif form == "sarif":
        print(json.dumps(sarif(found), indent=2))
    elif form == "github":
        for finding in found:
            place = f"file={finding.path},line={finding.line},title={finding.rule}"
            text = escape_command(f"{finding.message}\n{finding.mend}")
            print(f"::error {place}::{text}")
    else:
        print(*found, sep="\n")


def sarif(found: list[Finding]) -> dict[str, Any]:
    """Return findings as a SARIF log [OASIS SARIF 2.1.0, sections 3.13 to 3.28].

    It holds every rule, whether it found something or not, as code scanning shows them.
    """
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.why},
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
        }
        for finding in found
    ]
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
