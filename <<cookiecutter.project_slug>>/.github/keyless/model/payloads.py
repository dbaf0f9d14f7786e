"""What is known of an event's payload, and of the contexts, before a run.

[GitHub docs, "Webhook events and payloads", "Contexts reference"]
"""

from __future__ import annotations

import re
from typing import Any

from keyless.model.refs import Run
from keyless.model.values import UNKNOWN, RefText, Unknown

# What the payload of each event has at its top, beside COMMON.
_COMMON = {"repository", "sender", "organization", "enterprise", "installation"}
_TOP = {
    "release": {"action", "release", "changes"},
    "push": {
        *("ref", "before", "after", "base_ref", "commits", "compare", "created", "deleted"),
        *("forced", "head_commit", "pusher"),
    },
    "workflow_dispatch": {"inputs", "ref", "workflow"},
    "schedule": {"schedule", "workflow"},
    "create": {"ref", "ref_type", "master_branch", "description", "pusher_type"},
    "workflow_run": {"action", "workflow_run", "workflow"},
    "repository_dispatch": {"action", "branch", "client_payload"},
    "merge_group": {"action", "merge_group"},
}
# The types of values that are often compared; all others are not known.
_KINDS = {
    "boolean": (
        r"release\.(draft|prerelease|immutable)|created|deleted|forced"
        r"|repository\.(private|fork|archived)|pull_request\.(draft|merged)"
    ),
    "number": r"(release|repository|sender|pull_request)\.id|number|pull_request\.number",
    "text": (
        r"release\.(name|body|html_url|target_commitish|author\.login)|base_ref|before|after"
        r"|head_commit\.(message|id)|schedule|compare|repository\.name"
    ),
    "object": r"release|head_commit|repository|pusher|sender|workflow_run|pull_request",
}
# What a release of one type says of itself.
_RELEASE = {
    "published": {"draft": False},
    "released": {"draft": False, "prerelease": False},
    "prereleased": {"draft": False, "prerelease": True},
}
# Whatever their values, they do not narrow the refs.
NEUTRAL = re.compile(
    r"github\.(actor|triggering_actor|repository|event\.(repos|action|release\.)|run_)"
    r"|runner\.|job\.|needs\.[\w-]+\.result$|strategy\."
)


def payload_value(name: str, run: Run, known: dict[str, Any]) -> Any:
    """Return what `github.event.NAME` is in a run: None where the event has no such value."""
    pull = run.event.startswith("pull_request")
    first = name.partition(".")[0]
    if first == "inputs":
        return input_value(name, run, known, as_text=True)
    if first == "pull_request" and not pull:
        return None
    if run.event in _TOP and first not in {*_TOP[run.event], *_COMMON}:
        return None
    if name == "action" and run.types:
        return run.types[0] if len(run.types) == 1 else Unknown("text", run.types)
    if name == "ref" and run.event in ("push", "workflow_dispatch"):
        return ref_value(run, "github.ref")
    if name == "release.tag_name" and run.event == "release":
        return ref_value(run, "github.ref_name")
    if name == "repository.default_branch":
        return "main"
    if name == "repository.full_name":
        return known.get("github.repository", Unknown("text"))
    start, _, key = name.partition(".")
    if start == "release" and len(run.types) == 1 and key in _RELEASE.get(run.types[0], {}):
        return _RELEASE[run.types[0]][key]
    return next((Unknown(kind) for kind in _KINDS if re.fullmatch(_KINDS[kind], name)), UNKNOWN)


def input_value(name: str, run: Run, known: dict[str, Any], as_text: bool = False) -> Any:
    """Return what `inputs.NAME` is in a run that nobody calls: what was typed, or nothing."""
    if run.event != "workflow_dispatch":
        return None
    kind = known.get(f"dispatch.{name.partition('.')[2]}", Unknown("text"))
    if as_text and kind.kind == "boolean":
        return Unknown("text", ("true", "false"))
    return kind


def ref_value(run: Run, name: str) -> Any:
    """Return what `github.ref` or `github.ref_name` is in a run: text, or that of a pattern."""
    cut = "" if name == "github.ref" else "/".join(run.ref.split("/")[:2]) + "/"
    return RefText(cut) if run.ref.endswith("*") else run.ref[len(cut) :]


def context_value(name: str, run: Run, known: dict[str, Any]) -> Any:
    """Return what a name such as `github.event_name` is in a run."""
    if name in known:
        value = known[name]
        return UNKNOWN if isinstance(value, str) and "${{" in value else value
    if name in ("github.ref", "github.ref_name"):
        return ref_value(run, name)
    if name.startswith("github.event."):
        return payload_value(name[len("github.event.") :], run, known)
    if name.startswith("inputs."):
        return input_value(name, run, known)
    if name in ("github.head_ref", "github.base_ref") and not run.event.startswith("pull_request"):
        return ""
    if name == "github.event_name":
        return run.event
    if name == "github.ref_type":
        return "tag" if run.ref.startswith("refs/tags/") else "branch"
    if re.fullmatch(r"(vars|secrets|env|needs\.[\w-]+\.outputs)\.[\w-]+|github\.\w+", name):
        return Unknown("text")
    return UNKNOWN
