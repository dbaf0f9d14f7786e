"""An event that starts the workflow also starts the job that publishes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyless.model.documents import Mapping, as_list
from keyless.model.expressions import evaluate, names_of, normalize_expressions, parse_expression
from keyless.model.files import repository_files
from keyless.model.findings import Edit, Finding
from keyless.model.images import publishing_words, pushes_of
from keyless.model.job_outcomes import starting_jobs
from keyless.model.job_search import NOTHING_FAILED, condition_of
from keyless.model.jobs import Change, Job
from keyless.model.layouts import Handover
from keyless.model.refs import Run, common_refs, condition_on, is_untrusted, narrow
from keyless.model.repository import Repository, Side
from keyless.model.syntax import EVENTS
from keyless.model.triggers import event_names, glob_expression, starting_runs
from keyless.model.values import truth
from keyless.model.workflows import script_of

ID = "job-starts"
WHY = (
    "GitHub skips a job without an error if its condition is never true for the refs that the"
    " role trusts. A filter that leaves these refs out starts nothing at all. No image is"
    " published in either case. The job that explains this must have exactly the opposite"
    " condition, otherwise nothing reports it."
)
SOURCES = (
    (
        "GitHub: events that trigger workflows",
        "https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows",
    ),
    (
        "GitHub: expressions",
        "https://docs.github.com/en/actions/reference/workflows-and-actions/expressions",
    ),
)
BEFORE = """\
if: ${{ github.event.release.prerelease == 'false' }} # a boolean never equals a text"""
AFTER = """\
if: ${{ github.event.release.prerelease == false }}"""
PUBLISHED = {"published", "released"}
RELEASING = (
    r"softprops/action-gh-release|ncipollo/release-action|googleapis/release-please-action"
    r"|google-github-actions/release-please|actions/create-release|changesets/action"
)
# Another token than the workflow's own: that of an App, or a personal one.
OTHER_TOKEN = re.compile(
    r"create-github-app-token|(?i:(GH|GITHUB)_?TOKEN|token)\s*:\s*[\"']?\$\{\{\s*"
    r"(secrets\.(?!GITHUB_TOKEN\b)|steps\.|vars\.)"
)
# A condition on the ref alone, without blanks.
ON_REF = r"startsWith\(github\.ref,'[^']*'\)|github\.ref=='[^']*'"
REGULAR = r"\\[dwsSDW.]|^\^|\$$|\(|\|"  # no name of a ref is written so
# Somebody, or another program, starts these for any ref.
BY_HAND = {"workflow_dispatch", "repository_dispatch", "workflow_call", "schedule"}


def find(repository: Repository) -> Iterator[Finding]:
    """Look at the events of each entry's jobs that assume its role."""
    for side in repository.sides:
        jobs = [job for job in side.jobs if not job.for_others]
        jobs = [job for job in jobs if pushes_of(job).steps] or jobs  # without those that look
        if jobs and not any(map(_starts_as_meant, jobs)):
            yield _why_not(repository, side, jobs[0])
        for job in jobs[:1]:
            yield from _no_globs(_first(job))
            yield from _no_files(repository, _first(job))
            yield from _neither_starts(side, job)
        if any("release" in _automatic(job) for job in jobs):
            yield from _by_own_token(repository)
    for handover in repository.handovers:
        yield from dict.fromkeys(_builds_or_publishes(handover))


def _builds_or_publishes(handover: Handover) -> Iterator[Finding]:
    """Yield a job that never builds what is to be pushed, and a push that waits for what is there.

    Where the image of a commit is there already, nothing is built, and a second version of that
    commit only gets its tags.
    """
    job = handover.job
    for run in job.starts:
        building, there = (starting_jobs(handover, run, build) for build in (True, False))
        idle = [build for build in handover.builds if not building.get(build.outer.name, True)]
        yield from (_never_builds(handover, build.outer) for build in idle)
        key = "if" if "if" in job.root else "needs"
        if not idle and not building[job.name]:
            message = f"job {job.name} never starts after a build, so no image is published"
            yield job.at(job.root, key, ID, message, "correct the condition")
        elif building[job.name] and not there[job.name]:
            message = "if no build is needed, GitHub skips the jobs that build, and so also job"
            message += f" {job.name}. A second version of the same commit is then not published"
            mend = "begin its if: with !failure() && !cancelled() &&"
            yield job.at(job.root, key, ID, message, mend)


def _never_builds(handover: Handover, job: Job) -> Finding:
    """Return the finding for a job that builds in no run: at its condition, or at what that reads.

    What it reads should be the output of the job that looks up whether an image is to be built.
    """
    message = f"job {job.name} never starts, so nothing is built and nothing is published"
    for name in names_of(parse_expression(condition_of(job.root))):
        match = re.fullmatch(r"needs\.([\w-]+)\.outputs\.([\w-]+)", name)
        for look in handover.before if match else ():
            outputs = look.root.of("outputs")
            key = next((each for each in outputs if match and each.lower() == match[2]), None)
            asking = [step for step in look.steps if "before" in publishing_words(step)]
            if match and look.name.lower() == match[1] and key and asking:
                wanted = f"${{{{ steps.{asking[0].text('id') or 'before'}.outputs.build }}}}"
                if normalize_expressions(outputs.text(key)) != normalize_expressions(wanted):
                    message += f": the output {key} is not the answer of publish before"
                    mend = f"write {key}: {wanted}"
                    return look.at(outputs, key, ID, message, mend, Change(wanted))
    mend = "correct the condition, for example: needs.look.outputs.build == 'true'"
    return job.at(job.root, "if" if "if" in job.root else "needs", ID, message, mend)


def _neither_starts(side: Side, job: Job) -> Iterator[Finding]:
    """Yield the job for all other refs whose condition is not the opposite of the publishing one.

    If neither starts for a ref, the run is green, and nothing reports why there is no image.
    """
    own = _compact(condition_of(job.root))
    jobs = job.source.root.of("jobs")
    trusted = any(own == _compact(condition_on(ref)) for ref in side.entry["refs"])
    for name in jobs if trusted else []:  # else the rule subject speaks of the condition
        opposite = re.fullmatch(rf"!\(({ON_REF})\)", _compact(condition_of(jobs.of(name))))
        if opposite and not _covers(own, opposite[1]):
            message = f"job {name} starts unless {opposite[1]}, but job {job.name} only if {own}."
            message += " For some refs neither starts, and nothing reports why there is no image"
            wanted = f"${{{{ !({condition_of(job.root).strip()}) }}}}"
            yield job.at(jobs.of(name), "if", ID, message, f"write if: {wanted}", Change(wanted))


def _covers(one: str, other: str) -> bool:
    """Tell whether a condition holds for all refs for which another one does."""
    begins, ref = one.startswith("startsWith"), other.split("'")[1]
    return ref.startswith(one.split("'")[1]) if begins else one == other


def _compact(condition: str) -> str:
    return re.sub(r"\s", "", condition)


def _by_own_token(repository: Repository) -> Iterator[Finding]:
    """Yield where a workflow makes a release with its own token, which starts no other workflow.

    [GitHub docs, "Triggering a workflow from a workflow"]
    """
    publishing = {id(_first(job).source) for job in repository.judged}
    for source in repository.workflows:
        text = "\n".join(source.text)
        if id(source) in publishing or re.search(
            r"gh workflow run|/dispatches|repository-dispatch", text
        ):
            continue
        for _, step in source.parts():
            if _makes_release(step) and OTHER_TOKEN.search(text) is None:
                message = "a release that is created with the workflow's own token starts no other"
                message += " workflow, so it is not published"
                mend = "use the token of a GitHub App, or type after it: gh workflow run deploy.yml"
                mend += " --ref TAG"
                line = step.line("run" if "run" in step else "uses")
                yield Finding(source.path, line, ID, message, mend)


def _makes_release(step: Mapping) -> bool:
    """Tell whether a step publishes a release, and no draft of one."""
    script = script_of(step)
    by_hand = re.search(r"\bgh\s+release\s+create\b(?![^\n]*--draft)", script)
    by_action = re.match(RELEASING, step.action()) and step.input("draft") != "true"
    return bool(by_hand or by_action or re.search(r"\bsemantic-release\b", script))


def _no_globs(job: Job) -> Iterator[Finding]:
    """Yield the filters that are written as regular expressions; GitHub's are globs."""
    config = job.source.root.of("on", "push")
    for key in config:
        for pattern in map(str, as_list(config[key])):
            if key.startswith(("tags", "branches")) and re.search(REGULAR, pattern):
                message = (
                    f"the filter {pattern} is a regular expression, but GitHub needs a glob, so"
                )
                mend = "write a glob, for example v*, or 'v[0-9]+.[0-9]+.[0-9]+'"
                yield job.at(config, key, ID, f"{message} it matches other names", mend)


def _no_files(repository: Repository, job: Job) -> Iterator[Finding]:
    """Yield the filter of files that matches none, so that no push to a branch starts anything."""
    config = job.source.root.of("on", "push")
    patterns = [str(each) for each in as_list(config.get("paths"))]
    wanted = [glob_expression(each) for each in patterns if not each.startswith("!")]
    if wanted and any(ref.startswith("refs/heads/") for run in job.starts for ref in [run.ref]):
        files = repository_files(repository.root)
        if not any(re.fullmatch(each, file) for each in wanted for file in files):
            message = f"paths is {', '.join(patterns)}, but no file here matches that, so no push"
            mend = "list the files that the image is made of, or remove paths"
            yield job.at(config, "paths", ID, f"{message} starts the workflow", mend)


def _starts_as_meant(job: Job) -> bool:
    """Tell whether a job starts, and without anybody's help where that is meant.

    For which refs it does is compared with the trust by the rule `subject`.
    """
    meant = {*_automatic(job)}
    return any(_publishes(run) and (run.event in meant or not meant) for run in job.starts)


def _publishes(run: Run) -> bool:
    """Tell whether an event is one that publishes: a release that is only edited is none.

    A release that was saved as a draft before is not `created` when it is published.
    """
    return run.event != "release" or not run.types or bool(PUBLISHED & {*run.types})


def _first(job: Job) -> Job:
    """Return the job whose workflow starts by itself: the first caller, or the job."""
    return job.callers[0] if job.callers else job


def _automatic(job: Job) -> list[str]:
    """Return the events that start a job's workflow, and that nobody has to start by hand."""
    names = event_names(_first(job).source)
    known = (name for name in names if name in EVENTS and name not in BY_HAND)
    return [name for name in known if not is_untrusted(name)]


def _why_not(repository: Repository, side: Side, job: Job) -> Finding:
    """Return the finding at the line that keeps a job from starting."""
    refs = ", ".join(side.entry["refs"])
    first, meant = _first(job), _automatic(job)
    runs = [run for run in starting_runs(first.source) if run.event in meant or not meant]
    able = [run for run in runs if _publishes(run) and _fits(run, side)]
    if able:
        return _barred(_that_bars(repository, job), able, refs)
    events = " and ".join(meant) or "no event"
    message = f"{events} never starts job {job.name} for {refs}, so no image is published"
    mend = "write release: with types: [published], or push: with tags: or branches:, below on:"
    return Finding(first.source.path, _line_of_event(first, meant), ID, message, mend)


def _barred(job: Job, runs: list[Run], refs: str) -> Finding:
    """Return the finding for a job whose condition is never true, or false in every run."""
    events = ", ".join(dict.fromkeys(run.event for run in runs))
    part = _never_true(job, runs)
    message = f"job {job.name} never starts for {events} of {refs}, because this is never true:"
    message += f" {part}"
    mend = "correct the condition, or remove this part"
    quoted = re.search(r"[!=]=\s*'(true|false)'|'(true|false)'\s*[!=]=", part)
    named = re.search(r"github\.event\.([\w.]+)", part)
    if quoted and _may_hold(job, runs, part.replace(f"'{quoted[1] or quoted[2]}'", "true")):
        mend = f"write {(quoted[1] or quoted[2])} without quotes: a boolean never equals a text"
    elif "github.event.action" in part:
        types = ", ".join(dict.fromkeys(each for run in runs for each in run.types)) or "none"
        mend = f"compare with a type that starts the workflow: {types}"
    elif re.search(r"github\.repository\b", part):
        mend = f"this repository is {job.known.get('github.repository', 'another one')}: write that"
    elif named and not _may_hold(job, runs, f"github.event.{named[1]} != null"):
        mend = f"{events} has no github.event.{named[1]}: remove this part"
    if "if" in job.root:
        finding = job.at(job.root, "if", ID, message, mend)
        word = quoted and (quoted[1] or quoted[2])
        if (
            word
            and "without quotes" in mend
            and job.root.file[finding.line - 1].count(f"'{word}'") == 1
        ):
            edit = Edit(finding.path, finding.line, f"'{word}'", word, safe=False)
            finding = finding._replace(edit=edit)
        return finding
    return Finding(*job.where, ID, message, mend)


def _never_true(job: Job, runs: list[Run]) -> str:
    """Return the part of a job's condition that is never true, or all of it."""
    whole = " ".join(condition_of(job.root).split())
    parts = [part.strip() for part in re.split(r"&&(?![^(]*\))", whole)]
    never = [part for part in parts if not _may_hold(job, runs, part)]
    return never[0] if never else whole


def _may_hold(job: Job, runs: list[Run], text: str) -> bool:
    """Tell whether a condition may be true in one of some runs."""
    known, tree = {**job.known, **NOTHING_FAILED}, parse_expression(text)
    return any(truth(value) for run in runs for value, _ in evaluate(tree, run, known))


def _fits(run: Run, side: Side) -> bool:
    both = (common_refs(run.ref, ref) for ref in side.entry["refs"])
    return any(ref is not None and narrow(run, ref) for ref in both)


def _that_bars(repository: Repository, job: Job) -> Job:
    """Return the first job that does not start: a caller, one that is needed, or the job itself."""
    chain: list[Job] = []
    for one in (*job.callers, job):
        chain += [*repository.needed(one), one]
    return next((one for one in chain if not any(map(_publishes, one.starts))), job)


def _line_of_event(job: Job, names: list[str]) -> int:
    """Return the line of the filter, or of the event, that leaves the refs out."""
    root = job.source.root
    for name in names:
        config = root.of("on", name)
        if config:
            return config.line("types")
    return root.of("on").line(names[0]) if names and root.of("on") else root.line("on")
