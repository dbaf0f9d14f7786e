"""The events that start a workflow, and the refs that they start it for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.documents import Mapping, as_list
from keyless.model.findings import CannotJudge
from keyless.model.refs import Run, narrow
from keyless.model.workflows import Workflow


def event_names(workflow: Workflow) -> list[str]:
    """Return the names of the events that start a workflow."""
    events = workflow.root.get("on")
    return list(events) if isinstance(events, Mapping) else as_list(events)


def starting_runs(workflow: Workflow) -> Iterator[Run]:
    """Yield events with their refs (GitHub docs, "Events that trigger workflows")."""
    for event in event_names(workflow):
        if not isinstance(event, str):
            line = workflow.root.line("on")
            raise CannotJudge(
                f"{workflow.path}:{line}: on has an event that is not text; correct it"
            )
        config = workflow.root.of("on", event)
        if event == "push":
            yield from pushed_runs(config)
            continue
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
        types = tuple(map(str, as_list(config.get("types"))))
        yield from (Run(event, ref, types=types) for ref in refs)


def pushed_runs(config: Mapping) -> Iterator[Run]:
    """Yield the refs of a push as IAM can express them: what a filter begins with, then *.

    The filters of files are left out: GitHub does not evaluate them for tags, and what they keep
    from a branch is as intended.
    """
    filters = [key for key in config if key.startswith(("branches", "tags"))]
    for kind, key in (("heads", "branches"), ("tags", "tags")):
        patterns = [*map(str, as_list(config.get(key)))]
        for number, pattern in enumerate(patterns):
            ref = f"refs/{kind}/{_beginning(pattern)}"
            later = [_whole(each[1:]) for each in patterns[number:] if each.startswith("!")]
            without = tuple(f"refs/{kind}/{text}" for text in later if text)
            run = None if pattern.startswith("!") else Run("push", ref, without=without)
            if run and narrow(run, ref):
                yield run
        if f"{key}-ignore" in filters or not filters:
            ignored = [_whole(str(each)) for each in as_list(config.get(f"{key}-ignore"))]
            without = tuple(f"refs/{kind}/{text}" for text in ignored if text)
            whole = Run("push", f"refs/{kind}/*", without=without)
            yield from [whole] if narrow(whole, whole.ref) else []


def _beginning(pattern: str) -> str:
    """Return what the names that match a filter begin with, and * where more may follow."""
    special = re.search(r"[*?+\[\]!\\]", pattern)
    if not special:
        return pattern
    counted = special[0] == "?"  # the character before it may be there or not
    return f"{pattern[: special.start() - counted]}*"


def _whole(pattern: str) -> str:
    """Return a filter that IAM can express as it is; empty for another one."""
    if re.fullmatch(r"[^*?+\[\]!\\]*\*{0,2}", pattern):
        return pattern.replace("**", "*")
    return ""


def glob_expression(pattern: str) -> str:
    """Return the regular expression of a filter of files [GitHub docs, "Workflow syntax"].

    * stops at a slash, ** does not, ? and + count the character before them.
    """
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "?", "+": "+"}
    parts = re.findall(r"\*\*/|\*\*|[*?+]|\[[^\]]*\]|[^*?+\[]+|\[", pattern)
    return "".join(
        meaning.get(part) or (part if re.fullmatch(r"\[.+\]", part) else re.escape(part))
        for part in parts
    )
