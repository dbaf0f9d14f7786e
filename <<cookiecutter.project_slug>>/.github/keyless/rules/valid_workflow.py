"""GitHub accepts the workflows that publish, and starts them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from keyless.model.changes import insert_below
from keyless.model.documents import Mapping, as_list
from keyless.model.expressions import names_of, normalize_expressions, parse_expression
from keyless.model.findings import Finding
from keyless.model.job_search import condition_of
from keyless.model.jobs import Job, permissions_of
from keyless.model.repository import Repository
from keyless.model.syntax import EVENTS, SCOPES, expression_errors
from keyless.model.texts import EXPRESSION
from keyless.model.triggers import event_names
from keyless.model.workflows import Workflow, name_of_step

ID = "valid-workflow"
WHY = (
    "One wrong word makes GitHub refuse the whole workflow, and then no event starts any of its"
    " jobs. A condition with text around its `${{ }}` is always true."
)
SOURCES = (
    (
        "GitHub: contexts reference",
        "https://docs.github.com/en/actions/reference/workflows-and-actions/contexts",
    ),
    (
        "GitHub: reusing workflow configurations",
        "https://docs.github.com/en/actions/reference/workflows-and-actions/reusing-workflow-configurations",
    ),
)
BEFORE = """\
if: ${{ secrets.WEBHOOK != '' }} # a step's if: cannot read secrets"""
AFTER = """\
env:
  WEBHOOK: ${{ secrets.WEBHOOK }}
if: ${{ env.WEBHOOK != '' }}"""
# Which contexts may be read where [GitHub docs, "Context availability"].
_EARLY = {"github", "inputs", "vars"}
_JOB = {*_EARLY, "needs", "strategy", "matrix"}
_STEP = {*_JOB, "job", "runner", "env", "steps", "secrets"}
LEVELS = {"none": 0, "": 0, "read": 1, "write": 2}


def find(repository: Repository) -> Iterator[Finding]:
    """Look at the workflows that hold or call a publishing job, and at their actions."""
    judged = {id(job.source): job.source for job in repository.judged}
    judged.update({id(one.source): one.source for job in repository.judged for one in job.callers})
    found: dict[tuple[str, int], Finding] = {}
    for source in judged.values():
        yield from (*_filters(source), *_unknown_events(source))
    for job in repository.jobs:
        own = id(job.source) in judged
        called = any(id(caller.source) in judged for caller in job.callers)
        here = [*_unknown(job), *_contexts(job), *_steps(job)] if own else []
        if own and not any(job is one for one in repository.judged):
            here += _always_true(job, job.root, f"job {job.name}")  # else the subject says so
        for each in (*here, *(_group(job) if own or called else ()), *_granted(repository, job)):
            if own or called:
                found.setdefault((each.path, each.line), each)
    yield from found.values()


def _filters(source: Workflow) -> Iterator[Finding]:
    """Yield an event that has a filter and its opposite, which GitHub refuses."""
    for event in source.root.of("on"):
        config = source.root.of("on", event)
        for key in ("branches", "tags", "paths"):
            if key in config and f"{key}-ignore" in config:
                message = (
                    f"{event} has {key} and {key}-ignore, so GitHub refuses the whole workflow"
                )
                mend = f"write what {key}-ignore has with a ! below {key}"
                where = (source.path, config.line(f"{key}-ignore"))
                yield Finding(*where, ID, f"{message} and nothing starts", mend)


def _contexts(job: Job) -> Iterator[Finding]:
    """Yield the expressions that read what cannot be read in their place."""
    source, root = job.source, job.root
    yield from _misplaced(job, source.root, ("env",), {"github", "secrets", "inputs", "vars"})
    yield from _misplaced(job, source.root, ("concurrency", "run-name"), _EARLY)
    yield from _misplaced(job, root, ("env",), {*_JOB, "secrets"})
    yield from _misplaced(job, root, ("concurrency", "runs-on", "with"), _JOB)
    place = root.of("environment")
    yield from _misplaced(job, place or root, ("name",) if place else ("environment",), _JOB)
    yield from _misplaced(job, place, ("url",), _STEP - {"secrets"})
    yield from _misplaced(job, root, ("if",), {*_EARLY, "needs"})
    yield from _misplaced(job, root, ("outputs",), _STEP)
    for step in job.steps:
        yield from _misplaced(job, step, ("if",), _STEP - {"secrets"})
        yield from _misplaced(job, step, ("env", "with", "run", "working-directory"), _STEP)


def _misplaced(
    job: Job, part: Mapping, keys: tuple[str, ...], allowed: set[str]
) -> Iterator[Finding]:
    for key in keys:
        value = part.get(key)
        inside = value if isinstance(value, Mapping) else {key: value}
        lines = value if isinstance(value, Mapping) else part
        for name, text in inside.items():
            if key != "if" and "${{" not in str(text):
                continue
            texts = [each for each in as_list(text) if isinstance(each, str)]
            for read in _contexts_in(" ".join(texts), key == "if") - allowed:
                message = f"{read} cannot be read in {key}: here, so GitHub refuses the"
                message += " whole workflow and nothing starts"
                mend = "read it in env: of a step, and use env there"
                if read == "env":
                    mend = "write the value itself, or use vars"
                where = (part.path or job.source.path, lines.line(name))
                yield Finding(*where, ID, message, mend)


def _contexts_in(text: str, is_condition: bool) -> set[str]:
    """Return the contexts that the expressions of a text read."""
    inside = [match[1] for match in EXPRESSION.finditer(text)]
    if is_condition and not inside:
        inside = [text]
    names = {name for one in inside for name in names_of(parse_expression(one))}
    known = {*_STEP, "github"}
    return {name.partition(".")[0] for name in names if "." in name} & known


def _group(job: Job) -> Iterator[Finding]:
    """Yield a job that waits for the group that its own workflow is in."""
    own = _group_of(job.root)
    outer = [job.source.root, *(caller.source.root for caller in job.callers)]
    outer += [caller.root for caller in job.callers]
    if own and own in [_group_of(each) for each in outer]:
        message = f"job {job.name} waits for the group {own}, which its own run already holds, so"
        mend = "give the job another group, or remove it"
        line = job.root.line("concurrency")
        yield Finding(job.source.path, line, ID, f"{message} GitHub cancels it", mend)
    group = job.root.of("concurrency") or job.source.root.of("concurrency")
    ends = group.text("cancel-in-progress") == "true" and job.assuming()
    if ends and not re.search(r"github\.(ref|sha|run_|event\.release)", group.text("group")):
        message = "the next run cancels this one, so a release may never be published"
        mend = "write cancel-in-progress: false, or add github.ref to the group"
        yield job.at(group, "cancel-in-progress", ID, message, mend)
    called = _group_of(job.source.root) if job.callers else ""
    if called and called in [_group_of(each) for each in outer[1:]]:
        message = f"the workflow that is called waits for the group {called}, which its caller"
        line = job.source.root.line("concurrency")
        mend = "give the called workflow another group, or remove it"
        yield Finding(
            job.source.path, line, ID, f"{message} already holds, so GitHub cancels it", mend
        )


def _group_of(part: Mapping) -> str:
    return normalize_expressions(part.of("concurrency").text("group") or part.text("concurrency"))


def _granted(repository: Repository, job: Job) -> Iterator[Finding]:
    """Yield a called job that asks for more than its caller has, so GitHub starts nothing."""
    if not job.callers or repository.needs_token(job.callers[-1]):
        return  # of those that need a token least-permissions says so
    caller = job.callers[-1]
    has, wants = (
        permissions_of(caller),
        job.root.get("permissions", job.source.root.get("permissions")),
    )
    if not isinstance(wants, Mapping) or not (isinstance(has, Mapping) or has == ""):
        return
    if has == "" and not any("permissions" in each for each in (caller.root, caller.source.root)):
        return  # what a setting of the repository says
    scopes = has if isinstance(has, Mapping) else Mapping()
    lacking = [
        f"{key}: {wants[key]}"
        for key in wants
        if LEVELS.get(str(wants[key]), 0) > LEVELS.get(str(scopes.get(key, "")), 0)
    ]
    if lacking:
        message = f"job {caller.name} calls a job that asks for {', '.join(lacking)}, and does not"
        message += " grant it, so GitHub refuses the whole workflow and nothing starts"
        mend = f"add {', '.join(lacking)} to permissions: of this job"
        yield Finding(*caller.where, ID, message, mend)


def _always_true(job: Job, part: Mapping, shown: str) -> Iterator[Finding]:
    """Yield a condition with text around its braces, which makes it a text, and so true."""
    written = str(part.get("if", ""))
    if "${{" in written and condition_of(part) == "true" and "true" not in written[:8]:
        message = f"the condition of {shown} has text around its ${{{{ }}}}, so it is always true"
        yield job.at(part, "if", ID, message, "write the whole condition inside ${{ }}")


def _steps(job: Job) -> Iterator[Finding]:
    """Yield steps that GitHub refuses, and conditions that are always true by mistake."""
    seen: set[tuple[int, str]] = set()
    for step in job.steps:
        shown, name = name_of_step(step), (id(step.caller), step.text("id").lower())
        yield from _always_true(job, step, repr(shown))
        key = "run" if "run" in step else "uses"
        if step.caller is not None and "run" in step and not step.text("shell"):
            message = f"{shown!r} has no shell:, which GitHub needs in an action, so it fails"
            path, line = step.path or job.source.path, step.line("run")
            edit = insert_below(path, step.file, line, "shell: bash")
            yield Finding(path, line, ID, message, "write shell: bash", edit)
        if ("run" in step) == ("uses" in step):
            message = f"the step {shown!r} has both run and uses, or neither, so GitHub refuses the"
            mend = "make it two steps, or remove one of them"
            yield job.at(step, key, ID, f"{message} whole workflow", mend)
        if name[1] and name in seen:
            message = f"two steps have the id {name[1]}, so GitHub refuses the whole workflow"
            yield job.at(step, "id", ID, message, "give each step its own id")
        seen.add(name)


def _unknown_events(source: Workflow) -> Iterator[Finding]:
    """Yield the events that GitHub does not know."""
    for event in event_names(source):
        if event not in EVENTS:
            near = get_close_matches(str(event), EVENTS, n=1)
            root = source.root
            line = root.of("on").line(event) if root.of("on") else root.line("on")
            message = f"GitHub knows no event {event}, so it refuses the whole workflow"
            mend = f"write {near[0]}" if near else "remove it"
            yield Finding(source.path, line, ID, message, mend)


def _unknown(job: Job) -> Iterator[Finding]:
    """Yield the words of a job that GitHub does not know."""
    for need in map(str, as_list(job.root.get("needs"))):
        if need not in job.source.root.of("jobs"):
            message = f"job {job.name} needs {need}, which is not a job of this workflow. GitHub"
            message += " refuses the whole workflow"
            yield job.at(job.root, "needs", ID, message, "write the id of a job, not its name")
    for part in (job.root, job.source.root):
        scopes = part.of("permissions")
        for scope in scopes:
            if scope not in SCOPES or scopes.text(scope) not in ("read", "write", "none"):
                message = f"GitHub knows no permission {scope}: {scopes.text(scope)}, so it refuses"
                near = get_close_matches(scope.replace("_", "-"), SCOPES, n=1) or ["contents"]
                mend = f"write for example {near[0]}: read"
                yield job.at(scopes, scope, ID, f"{message} the whole workflow", mend)
    for part in (job.root, *job.steps):
        yield from _unknown_words(job, part)


def _unknown_words(job: Job, part: Mapping) -> Iterator[Finding]:
    """Yield the expressions of a job or a step that GitHub does not understand."""
    places = [(part, key) for key in ("if", "run", "environment", "name") if key in part]
    places += [(part.of(each), key) for each in ("env", "with", "outputs") for key in part.of(each)]
    for where, key in places:
        text = where.text(key)
        inside = [match[1] for match in EXPRESSION.finditer(text)] if "${{" in text else []
        if key == "if" and where is part and not inside:
            inside = [text] if text else []
        for error in (error for one in inside for error in expression_errors(one)):
            message = f"{error}, so GitHub refuses the whole workflow and nothing starts"
            path = where.path or job.source.path
            yield Finding(path, where.line(key), ID, message, f"correct {key}:")
