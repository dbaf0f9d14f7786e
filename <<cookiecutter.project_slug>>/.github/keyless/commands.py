"""What can be typed: every command with its options, its help and its exit status."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keyless.paths import ROOT, TFVARS

FINDINGS = "0 no findings, 1 there are findings, 2 something cannot be judged"
FIXED = f"{FINDINGS}, 130 --fix was interrupted"
LOOKED = "0 all is ok, apart from warnings, 1 something is wrong, 2 something is unknown"
DONE = "0 it is done or nothing is to be done, 1 it is not: the output says why and what to type"
CHECKED = "0 this is the newest version, 2 there is a newer one, 1 that is unknown"
RELEASED = "0 the step succeeded, 1 it failed: the annotation says why and what to type"
REPOSITORY = r"[\w-]+/[\w.-]+"

Parser = argparse.ArgumentParser
Options = argparse.Namespace


def main(arguments: list[str]) -> int:
    """Run the command that was typed.

    Args:
        arguments: what stands behind `python3 .github/keyless`.

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
        description="Prove, set up and publish a repository that stores no AWS key. "
        "README.md in this folder explains each part.",
        epilog="python3 .github/keyless COMMAND --help explains a command and its exit status.",
    )
    whole.add_argument("--version", action="version", version=_version())
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[Options], int], purpose: str, status: str) -> Parser:
        command: Parser = commands.add_parser(
            name, help=purpose, description=f"{purpose}.", epilog=f"Exit status: {status}."
        )
        command.set_defaults(run=run, refuse=command.error)
        return command

    _add_checks(add)
    _add_release(add)
    _add_setup(add)
    _add_entries(add)
    _add_updates(add)
    return whole


def _add_checks(add: Callable[..., Parser]) -> None:
    check = add("check", _check, "Prove that the workflows and infra/ agree", FIXED)
    forms = ["text", "github", "json", "sarif"]
    check.add_argument("--format", default="text", choices=forms, help="for people (text), or not")
    check.add_argument(
        "--plan", type=Path, metavar="FILE", help="judge this, what terraform show -json printed"
    )
    check.add_argument(
        "--values", type=Path, metavar="FILE", help=f"read this in place of {TFVARS}"
    )
    check.add_argument("--fix", action="store_true", help="offer the edits that correct findings")
    check.add_argument("--yes", action="store_true", help="with --fix: do not ask")
    check.add_argument(
        "--repository",
        type=_repository,
        metavar="OWNER/NAME",
        help="whose repository this is, if that is not what GITHUB_REPOSITORY or a remote says",
    )
    add("explain", _explain, "Say in words who may assume each role", FINDINGS)
    subjects = add("subjects", _subjects, "Print as JSON which subjects each role trusts", FINDINGS)
    subjects.add_argument("--json", action="store_true", help="the only format, and the default")
    rules = add("rules", _rules, "Print what the check judges, and why", "0, or 2 for no such rule")
    rules.add_argument("rule", nargs="?", help="one rule, for example same-region")
    rules.add_argument("--write", action="store_true", help="write docs/rules.md in this folder")


def _add_release(add: Callable[..., Parser]) -> None:
    publish = add("publish", _publish, "A step of deploy.yml: publish each version once", RELEASED)
    steps = {
        "name": "before any call to AWS, refuse a version that cannot be the tag of an image",
        "before": "ask ECR whether an image must be built",
        "push": "push the images that other jobs have built, as one, under both tags",
        "after": "put both tags on the image, and write job summary and outputs",
    }
    _add_steps(publish, steps)
    add("diagnose", _diagnose, "A step of deploy.yml: explain why the role was refused", "1")
    deploy = add("deploy", _deploy, "A step of deploy.yml: run the published image", RELEASED)
    steps = {
        "before": "before the build, refuse settings that cannot run, and note what runs now",
        "after": "create or update the service, and wait until it is steady",
    }
    _add_steps(deploy, steps)


def _add_steps(command: Parser, steps: dict[str, str]) -> None:
    text = "; ".join(f"{name}: {what}" for name, what in steps.items())
    command.add_argument("step", choices=list(steps), help=text)


def _add_setup(add: Callable[..., Parser]) -> None:
    interrupted = f"{DONE}, 130 it was interrupted"
    bootstrap = add("bootstrap", _bootstrap, "Set up what the first image needs", interrupted)
    for flag, text in {
        "--plan": "only print what is missing",
        "--yes": "do not ask",
        "--public": "create a public repository on GitHub",
        "--ruleset": "let only admins create the trusted refs",
        "--immutable-releases": "let GitHub lock tag and files of each published release",
        "--all": "commit also the files that were not generated",
        "--no-release": "publish no first version, and follow no run",
        "--allow-destroy": "let a role or a registry be destroyed where an edit leads to that",
    }.items():
        bootstrap.add_argument(flag, action="store_true", help=text)
    bootstrap.add_argument(
        "--import", dest="take_over", action="store_true", help="with --yes: take over what exists"
    )
    bootstrap.add_argument(
        "--repository", type=_repository, metavar="OWNER/NAME", help="trust this one from now on"
    )
    doctor = add(
        "doctor",
        _doctor,
        "Report whether everything is there that a release needs",
        f"{LOOKED}, 130 it was interrupted",
    )
    doctor.add_argument("--plan", action="store_true", help="also look for changes made in AWS")
    doctor.add_argument("--json", action="store_true", help="print a list for programs")
    release = add("release", _release, "Publish a version, and follow its run", interrupted)
    release.add_argument(
        "version", nargs="?", default="", help="its tag (v0.2.0); none where a push publishes"
    )
    release.add_argument(
        "--older", action="store_true", help="although a newer version is published"
    )
    release.add_argument(
        "--leave-uncommitted", action="store_true", help="publish without what is not committed"
    )
    destroy = add(
        "destroy", _destroy, "Remove this repository's role and registry again", interrupted
    )
    destroy.add_argument("--plan", action="store_true", help="only print what would be removed")
    for name, run, purpose in (
        ("fetch", _fetch, "Take infra.json from the repository that holds infra/"),
        ("caller", _caller, "Take the deploy.yml that calls the workflow of that repository"),
    ):
        command = add(name, run, purpose, DONE)
        command.add_argument(
            "--from", dest="source", default="", metavar="OWNER/NAME", help="who holds infra/"
        )
        command.add_argument("--key", default="", help="the key of this repository's entry there")


def _add_entries(add: Callable[..., Parser]) -> None:
    new = add("add", _entries, "Add entries for further repositories to infra/", DONE)
    new.add_argument("names", nargs="*", metavar="OWNER/NAME", help="as GitHub shows it")
    new.add_argument("--file", type=Path, help="one name a line; a # begins a remark")
    new.add_argument(
        "--ref", action="append", help="trust this ref (refs/tags/v*, refs/heads/main)"
    )
    new.add_argument("--environment", help="the GitHub environment of the publishing job")
    new.add_argument("--key", help="another key than the name, for one repository")
    new.add_argument("--registry", help="another ECR repository than the key, for one repository")
    new.add_argument("--calls", metavar="REF", help="they call publish-image.yml of this ref here")
    gone = add("remove", _entries, "Remove an entry, and report what stays in AWS", DONE)
    gone.add_argument("names", nargs=1, metavar="OWNER/NAME", help="or its key")
    other = add("move", _entries, "Move an entry to the file of another state", DONE)
    other.add_argument("key", help="the key of the entry")
    other.add_argument("file", help="for example infra/repositories-2.tfvars.json")
    add("outputs", _entries, "Write services/ again, from infra/", DONE)


def _add_updates(add: Callable[..., Parser]) -> None:
    status = f"{DONE}, 130 it was interrupted"
    update = add(
        "update",
        _update,
        "Take a newer version of the template, on a branch of its own",
        f"{status}. With --check: {CHECKED}",
    )
    for flag, text in {
        "--check": "only print whether there is a newer version, and its changelog",
        "--json": "with --check: print it for programs",
        "--issue": "with --check: open an issue on GitHub for a newer version, or edit that issue",
        "--weekly": "write a workflow that does so every week",
    }.items():
        update.add_argument(flag, action="store_true", help=text)
    update.add_argument("--to", default="", metavar="VERSION", help="a tag, a branch or a commit")
    update.add_argument(
        "--project",
        type=Path,
        default=ROOT,
        metavar="FOLDER",
        help="update this one, if the tool stands in another folder",
    )
    update.add_argument("--handed-over", type=Path, help=argparse.SUPPRESS)
    change = add("change", _change, "Change answers, on a branch of its own", status)
    change.add_argument(
        "pairs", nargs="*", metavar="QUESTION=ANSWER", help="such as platform=both; none lists them"
    )
    for command in (update, change):
        command.add_argument("--yes", action="store_true", help="do not ask")
        command.add_argument(
            "--template", default="", metavar="ADDRESS", help="fetch the template from there"
        )
        command.add_argument(
            "--from",
            dest="start",
            default="",
            metavar="COMMIT",
            help="what the project was generated from, if that is not recorded",
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
