"""What can be typed: every command with its options, its help and its exit status."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keyless.paths import ROOT, TFVARS

Statuses = dict[int, str]  # what each exit status means

CHECKED: Statuses = {0: "no findings", 1: "findings", 2: "something cannot be judged"}
EXPLAINED: Statuses = {
    0: "every entry is valid",
    1: "Terraform would refuse an entry",
    2: "the entries cannot be read",
}
PRINTED: Statuses = {0: "the rules were printed or written", 2: "there is no such rule"}
INSPECTED: Statuses = {
    0: "everything is ok, apart from warnings",
    1: "something is wrong",
    2: "something is unknown",
}
INTERRUPTED: Statuses = {130: "interrupted"}
DONE: Statuses = {
    0: "done, or nothing to do",
    1: "not done (the output says why and what to type)",
    **INTERRUPTED,
}
FETCHED: Statuses = {**DONE, 1: "not done, or findings of the check", 2: CHECKED[2]}
UPDATED: Statuses = {**DONE, 1: "not done, or the result has conflicts or findings"}
STEP_ENDED: Statuses = {
    0: "the step succeeded",
    1: "the step failed (the annotation says why and what to type)",
}
FAILED: Statuses = {1: "always, because the job has already failed"}
WITH_CHECK = (
    " With --check: 0 = this is the newest version; 1 = the newest version is unknown; 2 = there is"
    " a newer version. With --check --issue: 0 also if there is a newer version."
)
REPOSITORY = r"[\w-]+/[\w.-]+"

Parser = argparse.ArgumentParser
Options = argparse.Namespace


def main(arguments: list[str]) -> int:
    """Run the command that was typed.

    Args:
        arguments: what follows `python3 .github/keyless`.

    Returns:
        The exit status; `--help` of each command says what it means.

    Raises:
        SystemExit: the arguments are wrong (2), or help was asked for (0).
    """
    options = parser().parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    run: Callable[[Options], int] = options.run
    return run(options)


def parser() -> Parser:
    """Return the parser of the whole command line."""
    whole = Parser(
        prog="python3 .github/keyless",
        description="Check, set up and publish a repository that stores no AWS key. README.md in"
        " this folder explains each part.",
        epilog="python3 .github/keyless COMMAND --help explains a command and its exit status.",
    )
    whole.add_argument("--version", action="version", version=_version())
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(
        name: str, run: Callable[[Options], int], purpose: str, statuses: Statuses, more: str = ""
    ) -> Parser:
        epilog = _describe(statuses) + more
        command: Parser = commands.add_parser(
            name, help=purpose, description=f"{purpose}.", epilog=epilog
        )
        command.set_defaults(run=run, refuse=command.error)
        return command

    _add_checks(add)
    _add_release(add)
    _add_setup(add)
    _add_fetching(add)
    _add_entries(add)
    _add_updates(add)
    return whole


def _describe(statuses: Statuses) -> str:
    """Return what each exit status means; argparse ends a wrong command line with 2."""
    wrong = ", or ".join([*filter(None, [statuses.get(2)]), "the command line is wrong"])
    listed = sorted({**statuses, 2: wrong}.items())
    return f"Exit status: {'; '.join(f'{number} = {what}' for number, what in listed)}."


def _add_checks(add: Callable[..., Parser]) -> None:
    purpose = "Check that the workflows and infra/ agree"
    check = add("check", _check, purpose, {**CHECKED, **INTERRUPTED})
    forms = ["text", "github", "json", "sarif"]
    check.add_argument(
        "--format",
        default="text",
        choices=forms,
        help="text for people (the default), the others for programs",
    )
    check.add_argument(
        "--plan",
        type=Path,
        metavar="FILE",
        help="judge this plan, which terraform show -json has printed",
    )
    check.add_argument(
        "--values", type=Path, metavar="FILE", help=f"read this file instead of {TFVARS}"
    )
    check.add_argument("--fix", action="store_true", help="offer edits that correct findings")
    check.add_argument(
        "--yes", action="store_true", help="with --fix: make all safe edits without asking"
    )
    check.add_argument(
        "--repository",
        type=_repository,
        metavar="OWNER/NAME",
        help="the name of this repository, if GITHUB_REPOSITORY or a Git remote has another one",
    )
    add("explain", _explain, "Show in words who can assume each role", EXPLAINED)
    purpose = "Print as JSON which subjects each role trusts"
    subjects = add("subjects", _subjects, purpose, EXPLAINED)
    subjects.add_argument(
        "--json", action="store_true", help="print JSON, the default and only format"
    )
    rules = add("rules", _rules, "Print the rules of the check, and why each exists", PRINTED)
    rules.add_argument("rule", nargs="?", help="print only this rule, for example same-region")
    rules.add_argument("--write", action="store_true", help="write the pages of the rules in docs/")


def _add_release(add: Callable[..., Parser]) -> None:
    purpose = "Publish each version once, as steps of deploy.yml"
    publish = add("publish", _publish, purpose, STEP_ENDED)
    steps = {
        "name": "refuse a version that cannot be an image tag, before any call to AWS",
        "before": "ask ECR whether an image must be built",
        "push": "push the images that other jobs have built as one image, under both tags",
        "after": "put both tags on the image, and write the job summary and the outputs",
    }
    _add_steps(publish, steps)
    purpose = "Explain why AWS refused the role, as a step of deploy.yml"
    add("diagnose", _diagnose, purpose, FAILED)
    deploy = add("deploy", _deploy, "Run the published image, as steps of deploy.yml", STEP_ENDED)
    steps = {
        "before": "refuse settings that cannot run, and record what runs now, before the build",
        "after": "create or update the service, and wait until it is steady",
    }
    _add_steps(deploy, steps)


def _add_steps(command: Parser, steps: dict[str, str]) -> None:
    text = " ".join(f"{name}: {what}." for name, what in steps.items())
    command.add_argument("step", choices=list(steps), help=text)


def _add_setup(add: Callable[..., Parser]) -> None:
    bootstrap = add("bootstrap", _bootstrap, "Set up everything that the first image needs", DONE)
    for flag, text in {
        "--plan": "only print what is missing",
        "--yes": "do not ask",
        "--public": "create the repository on GitHub as a public one",
        "--ruleset": "add a ruleset, so that only admins can create the trusted refs",
        "--immutable-releases": "make GitHub lock the tag and the files of each published release",
        "--all": "also commit the files that were not generated",
        "--no-release": "do not publish a first version, and do not follow a run",
        "--allow-destroy": "destroy a role or an ECR repository if an edit requires that",
    }.items():
        bootstrap.add_argument(flag, action="store_true", help=text)
    bootstrap.add_argument(
        "--import",
        dest="take_over",
        action="store_true",
        help="with --yes: take over resources that already exist in AWS",
    )
    bootstrap.add_argument(
        "--repository",
        type=_repository,
        metavar="OWNER/NAME",
        help="trust this repository from now on",
    )
    doctor = add(
        "doctor",
        _doctor,
        "Report whether everything that a release needs is in place",
        {**INSPECTED, **INTERRUPTED},
    )
    doctor.add_argument("--plan", action="store_true", help="also find changes made in AWS")
    doctor.add_argument("--json", action="store_true", help="print JSON for programs")
    release = add("release", _release, "Publish a version, and follow its run", DONE)
    release.add_argument(
        "version",
        nargs="?",
        default="",
        help="its tag, for example v0.2.0; leave it out if a push to a branch publishes",
    )
    release.add_argument(
        "--older", action="store_true", help="publish it although a newer version is published"
    )
    release.add_argument(
        "--leave-uncommitted", action="store_true", help="publish without uncommitted changes"
    )
    purpose = "Remove the role and the ECR repository of this repository"
    destroy = add("destroy", _destroy, purpose, DONE)
    destroy.add_argument("--plan", action="store_true", help="only print what would be removed")


def _add_fetching(add: Callable[..., Parser]) -> None:
    workflow = "Fetch the deploy.yml that calls the workflow of the repository that holds infra/"
    for name, run, purpose, statuses in (
        ("fetch", _fetch, "Fetch infra.json from the repository that holds infra/", FETCHED),
        ("caller", _caller, workflow, DONE),
    ):
        command = add(name, run, purpose, statuses)
        command.add_argument(
            "--from",
            dest="source",
            default="",
            metavar="OWNER/NAME",
            help="the repository that holds infra/",
        )
        command.add_argument("--key", default="", help="the key of this repository's entry there")


def _add_entries(add: Callable[..., Parser]) -> None:
    new = add("add", _entries, "Add entries for more repositories to infra/", DONE)
    new.add_argument(
        "names", nargs="*", metavar="OWNER/NAME", help="a repository, as GitHub shows it"
    )
    new.add_argument(
        "--file", type=Path, help="read the names from this file, one on each line; # is a comment"
    )
    new.add_argument(
        "--ref",
        action="append",
        help="trust this ref, for example refs/tags/v* or refs/heads/main; can be repeated",
    )
    new.add_argument("--environment", help="the GitHub environment of the publishing job")
    new.add_argument("--key", help="for one repository: a key that is not its name")
    new.add_argument("--registry", help="for one repository: an ECR repository that is not its key")
    new.add_argument(
        "--calls",
        metavar="REF",
        help="the repositories call publish-image.yml of this repository at this ref",
    )
    gone = add("remove", _entries, "Remove an entry, and report what stays in AWS", DONE)
    gone.add_argument("names", nargs=1, metavar="OWNER/NAME", help="the repository, or its key")
    other = add("move", _entries, "Move an entry to the file of another Terraform state", DONE)
    other.add_argument("key", help="the key of the entry")
    other.add_argument("file", help="the new file, for example infra/repositories-2.tfvars.json")
    add("outputs", _entries, "Write services/ again from infra/", DONE)


def _add_updates(add: Callable[..., Parser]) -> None:
    purpose = "Take a newer version of the template, on a new branch"
    update = add("update", _update, purpose, UPDATED, WITH_CHECK)
    for flag, text in {
        "--check": "only print whether there is a newer version, and its changelog",
        "--json": "with --check: print JSON for programs",
        "--issue": "with --check: open, edit or close the issue on GitHub about a newer version",
        "--weekly": "write a workflow that runs update --check --issue every week",
    }.items():
        update.add_argument(flag, action="store_true", help=text)
    update.add_argument(
        "--to", default="", metavar="VERSION", help="take this tag, branch or commit"
    )
    update.add_argument(
        "--project",
        type=Path,
        default=ROOT,
        metavar="FOLDER",
        help="update the project in this folder, not the one that the tool is in",
    )
    update.add_argument("--handed-over", type=Path, help=argparse.SUPPRESS)
    change = add("change", _change, "Change answers, on a new branch", UPDATED)
    change.add_argument(
        "pairs",
        nargs="*",
        metavar="QUESTION=ANSWER",
        help="for example platform=both; without any, all questions and answers are printed",
    )
    for command in (update, change):
        command.add_argument("--yes", action="store_true", help="do not ask")
        command.add_argument(
            "--template", default="", metavar="ADDRESS", help="fetch the template from this address"
        )
        command.add_argument(
            "--from",
            dest="start",
            default="",
            metavar="COMMIT",
            help="the commit that the project was generated from, if it is not recorded",
        )


def _repository(text: str) -> str:
    if not re.fullmatch(REPOSITORY, text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not OWNER/NAME, as GitHub shows it")
    return text


def _version() -> str:
    return Path(__file__).with_name("VERSION").read_text(encoding="utf-8").strip()


def _check(options: Options) -> int:
    if options.fix or options.yes:
        return _fix(options)
    from keyless import check

    return check.main(options.plan, options.values, options.format, name=options.repository)


def _fix(options: Options) -> int:
    """Offer the edits of findings, which are those of the files here, printed for people.

    Raises:
        SystemExit: the options ask for something else as well (2).
    """
    if not options.fix:
        options.refuse("--yes does nothing without --fix")
    for name in ("plan", "values"):
        if getattr(options, name):
            text = f"a file of --{name} is not part of the repository, so --fix cannot correct it"
            options.refuse(f"{text}. Leave out --{name}")
    if options.format != "text":
        options.refuse("--fix asks people, so it prints text. Leave out --format")
    from keyless import fix

    return fix.main(options.yes, name=options.repository)


def _explain(_options: Options) -> int:
    from keyless import explain

    return explain.main()


def _subjects(_options: Options) -> int:
    from keyless import explain

    return explain.print_subjects()


def _rules(options: Options) -> int:
    from keyless import reference

    return reference.main(options.rule, options.write)


def _publish(options: Options) -> int:
    from keyless.release import publish

    return publish.main(options.step)


def _diagnose(_options: Options) -> int:
    from keyless.release import diagnose

    return diagnose.main()


def _deploy(options: Options) -> int:
    from keyless.release import deploy

    return deploy.main(options.step)


def _bootstrap(options: Options) -> int:
    from keyless.setup import bootstrap

    return bootstrap.main(options)


def _doctor(options: Options) -> int:
    from keyless.setup import doctor

    return doctor.main(options.plan, options.json)


def _release(options: Options) -> int:
    from keyless.setup import release

    return release.main(options.version, options.older, options.leave_uncommitted)


def _destroy(options: Options) -> int:
    from keyless.setup import destroy

    return destroy.main(options.plan)


def _fetch(options: Options) -> int:
    from keyless.setup import fetch

    return fetch.main(options.source, options.key)


def _caller(options: Options) -> int:
    from keyless.setup import caller

    return caller.main(options.source, options.key)


def _entries(options: Options) -> int:
    from keyless.setup import entries

    run: dict[str, Any] = {
        "add": entries.add,
        "remove": entries.remove,
        "move": entries.move,
        "outputs": entries.write_outputs,
    }
    return entries.main(run[options.command], options)


def _update(options: Options) -> int:
    from keyless.setup import update

    if options.handed_over:
        return update.carry_out(options.handed_over)
    if options.weekly:
        return update.write_weekly(options.project)
    asked = _asked(options, goal=options.to)
    if not options.check:
        if options.json or options.issue:
            options.refuse("--json and --issue need --check")
        return update.main(asked)
    return update.check(asked, "json" if options.json else "issue" if options.issue else "text")


def _change(options: Options) -> int:
    from keyless.setup import update

    pairs = [pair.partition("=") for pair in options.pairs]
    wrong = [key for key, equals, _ in pairs if not equals]
    if wrong:
        options.refuse(f"{wrong[0]!r} is not QUESTION=ANSWER, for example platform=both")
    if not pairs:
        return update.print_answers(_asked(options, change=True))
    answers = {key: answer for key, _, answer in pairs}
    return update.main(_asked(options, answers=answers, change=True))


def _asked(options: Options, **further: Any) -> Any:
    from keyless.setup.update import Asked

    root = getattr(options, "project", ROOT).resolve()
    given = {"template": options.template, "start": options.start, "yes": options.yes}
    return Asked(root, **given, **further)
