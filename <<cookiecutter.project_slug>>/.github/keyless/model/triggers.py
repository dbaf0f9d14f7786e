"""The events that start a workflow, and the refs that they start it for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.documents import Mapping, as_list
from keyless.model.findings import CannotJudge
from keyless.model.refs import Run
from keyless.model.workflows import Workflow


def starting_runs(workflow: Workflow) -> Iterator[Run]:
    """Yield events with their refs (GitHub docs, "Events that trigger workflows")."""
    events = workflow.root.get("on")
    for event in events if isinstance(events, Mapping) else as_list(events):
        if not isinstance(event, str):
            line = workflow.root.line("on")
            raise CannotJudge(
                f"{workflow.path}:{line}: on has an event that is no text; correct it"
            )
        if event == "push":
            refs = list(pushed_refs(workflow.root.of("on", event)))
        elif event == "release":
            refs = ["refs/tags/*"]  # whatever its tag: filters are not evaluated
        elif event == "pull_request_target":
            refs = ["refs/heads/*"]
        elif event.startswith("pull_request"):
            refs = ["refs/pull/*"]
        elif event in ("workflow_dispatch", "create", "deployment", "deployment_status"):
            refs = ["refs/heads/*", "refs/tags/*"]
        elif event == "merge_group":
            refs = ["refs/heads/gh-readonly-queue/*"]
        else:
            refs = [] if event == "workflow_call" else ["refs/heads/main"]  # the default branch
        yield from (Run(event, ref) for ref in refs)


def pushed_refs(config: Mapping) -> Iterator[str]:
    """Yield the refs of a push as IAM can express them: what a filter begins with, then *."""
    filters = [key for key in config if key.startswith(("branches", "tags"))]
    for kind, key in (("heads", "branches"), ("tags", "tags")):
        for pattern in map(str, as_list(config.get(key))):
            special = re.search(r"[*?+\[\]!\\]", pattern)
            if not special:
                yield f"refs/{kind}/{pattern}"
            elif special[0] != "!" or special.start():
                counted = special[0] in "?+"  # it says how often the character before it stands
                yield f"refs/{kind}/{pattern[: special.start() - counted]}*"
        if f"{key}-ignore" in filters or not filters:
            yield f"refs/{kind}/*"
