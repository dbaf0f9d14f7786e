"""Each step that publishes runs, in order and with what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.deployments import deploying_steps
from keyless.model.documents import Mapping
from keyless.model.expressions import names_of, parse_expression
from keyless.model.findings import UNJUDGED, Finding, first_of_each_line
from keyless.model.following import Visit, World, follow
from keyless.model.images import publishing_words, uses_role
from keyless.model.job_search import condition_of
from keyless.model.jobs import Change, Job
from keyless.model.repository import Followed, Repository
from keyless.model.sources import source_of
from keyless.model.state import ends_logins
from keyless.model.workflows import (
    BUILD,
    BUILDX,
    CHECKOUT,
    CREDENTIALS,
    DOWNLOAD,
    LOGIN,
    UPLOAD,
    local_path,
    name_of_step,
    script_of,
)

ID = "every-step-runs"
WHY = (
    "GitHub skips a step whose `if:` is never true, without an error. The steps after it continue"
    " without its result. A step that needs the tool or a local action fails if nothing is checked"
    " out. If a step with `action-timeout-s` fails, the job waits until that time is over, and"
    " only then reports why."
)
SOURCES = (
    (
        "GitHub: workflow syntax",
        "https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax",
    ),
    (
        "configure-aws-credentials: where its timer is set and cleared",
        "https://github.com/aws-actions/configure-aws-credentials/blob/e6de054238d6b7531b4efff3b6587d9aade6a06c/src/index.ts",
    ),
)
BEFORE = """\
- uses: aws-actions/configure-aws-credentials@...
  if: github.event_name == 'push' # and releases start the workflow"""
AFTER = """\
- uses: aws-actions/configure-aws-credentials@..."""
TOOL = r"(?<![\w/}])(\./)?\.github/keyless\b"  # found from the folder that the step runs in


def find(repository: Repository) -> Iterator[Finding]:
    """Follow each job of an entry for the refs that its role trusts."""
    yield from first_of_each_line(_judge(repository))


def _judge(repository: Repository) -> Iterator[Finding]:
    for job in repository.judged:
        yield from _held_up(job)
    for followed in repository.followed:
        job = followed.job
        if followed.worlds is None:
            message = f"the steps of job {job.name} have conditions on too many unknown values"
            yield Finding(*job.where, UNJUDGED, message, "give fewer steps an if:")
            continue
        found = [*_nothing_pushed(followed)]
        if not found:
            found = [each for world in followed.worlds for each in _without(followed, world)]
        for world in followed.worlds:
            found += [*_not_there(followed, world), *_removed(job, world)]
        for each in (*repository.needed(job), job):
            found += _fails(each, followed)
        found += [*_blocked(job), *_runner(job)]
        yield from found
    for built in repository.built:
        yield from _never_handed_on(built)


def _nothing_pushed(followed: Followed) -> Iterator[Finding]:
    """Yield the step that never runs, where that keeps an image from being pushed."""
    job, worlds = followed.job, followed.worlds or []
    if not followed.pushing or any(
        world.ran(step) for world in worlds for step in followed.pushing
    ):
        return
    step = _cause(job, followed.pushing[0], worlds)
    message = f"the step {name_of_step(step)!r} never runs for {followed.shown}, so no image is"
    yield _at_condition(job, step, ID, f"{message} pushed")


def _never_handed_on(built: Followed) -> Iterator[Finding]:
    """Yield what keeps a job from building for the job that pushes, or from handing that on."""
    job, worlds = built.job, built.worlds or []
    for step in (*built.pushing, *job.using(UPLOAD)):
        if worlds and not any(world.ran(step) for world in worlds):
            step = _cause(job, step, worlds)
            message = f"the step {name_of_step(step)!r} never runs for {built.shown}, so there is"
            yield _at_condition(job, step, ID, f"{message} nothing to push")
    for world in worlds:
        yield from _not_there(built, world)
    yield from _runner(job)


def _cause(job: Job, step: Mapping, worlds: list[World]) -> Mapping:
    """Return the step that keeps another one from running: one that it reads of, or itself."""
    if step.caller is not None and not any(world.ran(step.caller) for world in worlds):
        return _cause(job, step.caller, worlds)
    names = names_of(parse_expression(condition_of(step)))
    read = {match[1] for match in (re.match(r"steps\.([\w-]+)\.", name) for name in names) if match}
    for other in job.steps[: job.position(step)]:
        if other.text("id").lower() in read and not any(world.ran(other) for world in worlds):
            return _cause(job, other, worlds)
    return step


def _without(followed: Followed, world: World) -> Iterator[Finding]:
    """Yield the steps that are skipped in a world where a step behind needs what they do."""
    job = followed.job
    for visit in (visit for visit in world.visits if visit.ran):
        if uses_role(visit.step) and visit.before.credentials is None:
            yield from _skipped(followed, world, visit, job.assuming(), "there are no credentials")
        if followed.pushes(visit.step) and not visit.before.logins:
            yield from _skipped(followed, world, visit, job.using(LOGIN), "there is no login")
        if "push" in publishing_words(visit.step):
            lacks = "there are no images"
            yield from _skipped(followed, world, visit, job.using(DOWNLOAD), lacks)
            lacks = "Buildx is that of the runner, which may be too old"
            yield from _skipped(followed, world, visit, job.using(BUILDX), lacks)


def _skipped(
    followed: Followed, world: World, visit: Visit, needed: list[Mapping], lacks: str
) -> Iterator[Finding]:
    """Yield the finding for the first of some steps that a step needs, and that did not run."""
    job, shown = followed.job, name_of_step(visit.step)
    position = job.position(visit.step)
    earlier = [step for step in needed if job.position(step) < position]
    later = [step for step in needed if job.position(step) > position]
    if any(map(world.ran, earlier)):
        # Another rule says so where a step hands no credentials on.
        ending = [step for step in job.steps[:position] if world.ran(step) and ends_logins(step)]
        logged_in = job.position(earlier[0])
        if needed == job.using(LOGIN) and ending and job.position(ending[-1]) > logged_in:
            message = f"this removes the login, so {lacks} for {shown!r} after it"
            yield job.at_step(ending[-1], ID, message, "move it after the push")
        return
    if earlier:
        name = name_of_step(earlier[0])
        surely = not any(each.ran(earlier[0]) for each in followed.worlds or [])
        message = f"only the run knows whether the step {name!r} runs; if it does not, {lacks}"
        if surely:
            message = f"the step {name!r} never runs for {followed.shown}, so {lacks}"
        message += f" for {shown!r} after it"
        yield _at_condition(job, earlier[0], ID if surely else UNJUDGED, message)
    elif later and uses_role(visit.step):
        message = f"{shown!r} runs before {name_of_step(later[0])!r}, so {lacks} for it"
        yield job.at_step(visit.step, ID, message, "move it after that step")


def _not_there(followed: Followed, world: World) -> Iterator[Finding]:
    """Yield the first step that needs files of this repository where they are not."""
    job = followed.job
    for visit in (visit for visit in world.visits if visit.ran and visit.step.caller is None):
        step, used = visit.step, visit.step.text("uses")
        deploys = any(step is each for each in deploying_steps(job))  # same-service judges these
        by_tool = re.search(TOOL, script_of(step)) and not deploys
        local = used.startswith("./") and local_path(used)
        builds = followed.builds(step)
        folder, line = _folder_of(job, step)
        if by_tool and folder not in ("", "."):
            message = f"the step runs in {folder}, but the tool is in .github/keyless of the"
            message += " repository's root, so the step fails"
            mend = 'remove working-directory, or write python3 "$GITHUB_WORKSPACE/.github/keyless"'
            yield Finding(step.path or job.source.path, line, ID, message, mend)
            return
        shell = _shell_of(job, step)
        if by_tool and shell and not re.match(r"(bash|sh|pwsh|zsh|dash)\b", shell):
            message = f"{name_of_step(step)!r} runs in {shell}, which is not a shell, so it fails"
            place = step if "shell" in step else job.root.of("defaults", "run")
            yield job.at(place, "shell", ID, message, "write shell: bash")
            return
        where = "." if by_tool or local else _folder_of_build(job, visit) if builds else None
        tree = visit.before.tree_of(where) if where else None
        if where and (tree is None or (tree.repository and not builds)):
            yield _without_checkout(job, world, visit)
            return


def _shell_of(job: Job, step: Mapping) -> str:
    """Return the shell of a script, empty for that of the runner."""
    scopes = (step, job.root.of("defaults", "run"), job.source.root.of("defaults", "run"))
    return next((scope.text("shell") for scope in scopes if scope.text("shell")), "")


def _removed(job: Job, world: World) -> Iterator[Finding]:
    """Yield where a checkout into the workspace removes what another one put into a folder."""
    for visit in world.visits:
        for tree in visit.before.gone:
            if visit.ran and re.search(rf"\b{re.escape(tree.folder)}/", script_of(visit.step)):
                message = f"a later checkout empties the workspace, so {tree.folder} is"
                message += f" gone when {name_of_step(visit.step)!r} looks for it"
                mend = "move it after the checkout of this repository"
                yield job.finding(tree.step, "path", ID, message, mend)
                return


def _fails(job: Job, followed: Followed) -> Iterator[Finding]:
    """Yield a step of a job that always runs, and always ends with an error."""
    worlds = followed.worlds if job is followed.job else follow(job, followed.run)
    for step in job.steps:
        lines = [line for line in script_of(step).splitlines() if line.strip()]
        plain = not any(
            re.match(r"(if|case|for|while|until|exit 0|\w+\s*\(\))", each) for each in lines
        )
        fails = lines and plain and re.fullmatch(r"(exit\s+[1-9]\d*|false)\s*", lines[-1])
        ends_job = fails and step.text("continue-on-error") in ("", "false")
        if ends_job and worlds and all(world.ran(step) for world in worlds):
            message = f"{name_of_step(step)!r} always runs for {followed.shown}, and fails"
            yield _at_condition(job, step, ID, message)


def _held_up(job: Job) -> Iterator[Finding]:
    """Yield a timer that keeps a step alive after it has failed."""
    key = "action-timeout-s"
    for step in job.using(CREDENTIALS):
        value = job.input(step, key)
        seconds = re.match(r"\+?\d+", value)  # the action reads no more of it
        if "${{" in value or (seconds and int(seconds[0])):
            message = f"{key} is {value}, but the action stops this timer only if it succeeds."
            message += " After a failure the job waits until the timer ends, and then reports why"
            mend = "remove it, and write timeout-minutes: 5 into the step"
            if step.caller is not None:  # GitHub knows no limit for a step of an action
                mend = "remove it, and write timeout-minutes: 5 into the step that uses this action"
            yield job.finding(step, key, ID, message, mend, "")


def _runner(job: Job) -> Iterator[Finding]:
    """Yield a runner that has no Docker for images of Linux."""
    runner = job.resolve(Mapping(), job.root.text("runs-on")).lower()
    if re.match("windows|macos", runner) and job.using(BUILD):
        message = f"job {job.name} runs on {runner}, which cannot build a Linux image"
        yield job.at(job.root, "runs-on", ID, message, "write runs-on: ubuntu-24.04")


def _blocked(job: Job) -> Iterator[Finding]:
    """Yield a step that lets the job reach no host of AWS."""
    for step in job.using("step-security/harden-runner"):
        allowed = job.input(step, "allowed-endpoints")
        blocks = job.input(step, "egress-policy").lower() == "block"
        if blocks and allowed and "amazonaws" not in allowed and "${{" not in allowed:
            message = "this step blocks all hosts of AWS, so the job cannot assume the role"
            mend = "add sts.REGION.amazonaws.com, api.ecr.REGION.amazonaws.com and the registry"
            yield job.finding(step, "allowed-endpoints", ID, message, mend)


def _folder_of_build(job: Job, visit: Visit) -> str | None:
    source = source_of(job, visit)
    return source.folder if source.known and not source.remote else None


def _without_checkout(job: Job, world: World, visit: Visit) -> Finding:
    """Return the finding for a step that runs where this repository is not checked out."""
    shown = name_of_step(visit.step)
    for tree in visit.before.trees:
        if tree.folder != "." and not tree.repository:
            message = f"this repository is checked out into {tree.folder}, so {shown!r} does not"
            message += " find its files"
            mend = "remove path: from the checkout"
            return job.finding(tree.step, "path", ID, message, mend, "")
    other = visit.before.tree_of(".")
    if other:
        message = f"{other.repository} is checked out instead of this repository, so {shown!r}"
        mend = "check it out into a folder of its own: path:"
        return job.finding(other.step, "repository", ID, f"{message} does not find its files", mend)
    before = job.steps[: job.position(visit.step)]
    skipped = [each for each in before if each in job.using(CHECKOUT) and not world.ran(each)]
    if skipped:
        message = f"the step {name_of_step(skipped[0])!r} does not run for {world.run.event}, so"
        return _at_condition(job, skipped[0], ID, f"{message} {shown!r} finds no files")
    message = f"{shown!r} runs before this repository is checked out, so it finds no files"
    return job.at_step(visit.step, ID, message, "put actions/checkout before it, without an if:")


def _folder_of(job: Job, step: Mapping) -> tuple[str, int]:
    """Return the folder that a script runs in, below the workspace, and the line that says so."""
    scopes = (step, job.root.of("defaults", "run"), job.source.root.of("defaults", "run"))
    for scope in scopes:
        folder = job.resolve(step, scope.text("working-directory")).rstrip("/")
        if folder:
            outside = r"\$\{\{\s*github\.workspace\s*\}\}/?"
            return re.sub(rf"^({outside})|^\./", "", folder), scope.line("working-directory")
    return "", 0


def _at_condition(job: Job, step: Mapping, rule: str, message: str) -> Finding:
    if "if" in step:
        mend = "remove the if:, or correct it"
        return job.at(step, "if", rule, message, mend, Change("", safe=False))
    return job.at_step(step, rule, message, "remove the step")
