#!/usr/bin/env python3
"""<% raw %>Set up, once, what the first image needs: repository on GitHub, subject, role, registry.

    make bootstrap [ARGS="--plan --yes --public --ruleset --repository OWNER/NAME ..."]
    make doctor    [ARGS="--plan --json"]    read only: one line each, ok or what to type
    make destroy                             take role and registry away again

It looks, prints what is missing, asks once, and does that; what is there stays as it is. So it can
be run again at any time: after an interruption, a rename, or an edit of infra/.

Exit status: 0 all is set up; 1 not, and it prints why and what to type; 130 it was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import check
from folder import OURS, Folder, Step, edited, read_text, uncommitted, write_text
from outside import (
    AGAIN,
    INFRA,
    KEPT,
    ROOT,
    TFVARS,
    TOOL,
    Denied,
    Repository,
    account_here,
    actions,
    actions_disabled,
    admitted,
    audience_missing,
    bucket,
    bucket_notes,
    creation,
    environment,
    gh,
    git,
    initialised,
    known,
    line,
    make_bucket,
    must,
    own_key,
    page_of,
    policies,
    print_problem,
    provider,
    quoted,
    registry,
    repository,
    role,
    run,
    shown,
    state,
    subject_prefix,
    terraform,
    tools,
    wrapped,
)
from publish import Problem, Refused

IMPORTS = INFRA / "bootstrap_imports.tf"  # there only while Terraform plans
PROVIDER = "aws_iam_openid_connect_provider.github"
REFUSALS = (
    403,
    404,
    422,
)  # with these GitHub says that a plan or an organisation has no such thing
# GitHub REST docs, "Create a repository ruleset": 5 is the role of the admins of a repository.
ADMINS = {"actor_type": "RepositoryRole", "actor_id": 5, "bypass_mode": "always"}


class Setup:
    """What was found, and the steps that are missing."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        """Take the options, and a folder for what nobody else may touch: plan and values."""
        self.options = options
        self.saved, self.shown = folder / "plan.tfplan", folder / "plan.json"
        self.values = folder / "values.tfvars.json"
        self.account = account_here()
        self.key = own_key(self.account)
        self.text = self.before = read_text(TFVARS)  # the first one as it shall be
        self.found: Repository | None = None
        self.imports: dict[str, str] = {}  # identifiers by address
        self.lost = False  # whether a role trusts what is noted here, and the state has it not
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self.created = False  # whether the repository was, in this run
        self.unplanned = False  # whether Terraform has no place for its state before it is made
        self.doing = ""  # the step that is being done

    @property
    def entry(self) -> dict[str, Any]:
        """This repository's entry, as it shall be."""
        return check.account_in(self.text).entries[self.key]

    @property
    def name(self) -> str:
        """This repository's name on GitHub."""
        return str(self.entry["github_repository"])

    # Looking

    def look(self) -> None:
        """Find out what is missing.

        Raises:
            Problem: something must be mended first.
        """
        self.judge_all_but_subjects()
        self.look_at_github()
        folder = Folder(self.name, self.found)
        way = list(folder.look())
        self.look_at_bucket()
        made = set() if self.unplanned else state()
        self.look_at_account(made)
        self.look_at_provider(made)
        way += folder.publish(self.text)
        if self.text != self.before:
            self.add(f"write into {check.TFVARS}:{self.differences()}", self.write)
        if self.found and not self.unplanned:
            changes = self.plan()
            if changes:
                self.add(self.in_account(changes), self.apply)
        else:
            said = self.expected(made)
            self.add(self.in_account(said), lambda: self.apply_unseen(said))
        self.look_at_environment()
        self.steps += way
        if folder.left:
            self.notes.append(f"{check.TFVARS} holds edits of yours, which are yours to commit.")
        self.look_at_rulesets()

    def judge_all_but_subjects(self) -> None:
        """Let the check judge everything that GitHub is not asked for.

        Raises:
            Problem: it has findings.
        """
        text = self.text
        for key, entry in self.account.entries.items():
            if entry.get("subject_prefix") is not None:
                self.text = edited(self.text, ["repositories", key, "subject_prefix"], None)
        self.judge()
        self.text = text

    def add(self, text: str, act: Any) -> None:
        """Add a step."""
        self.steps.append(Step(text, act))

    def look_at_github(self) -> None:
        """Compare each entry with its repository on GitHub; this one may be missing there.

        Raises:
            Problem: a repository cannot be published from.
        """
        for key, entry in self.account.entries.items():
            named = self.options.repository if key == self.key else None
            found = repository(named or entry["github_repository"])
            if found:
                self.compare(key, entry, found, named)
            elif key != self.key:
                name = entry["github_repository"]
                message = (
                    f"GitHub shows no repository {name}, which the entry {key!r} names. Create it"
                )
                raise Problem(
                    f"{message} from its own folder, or remove the entry.", f"gh repo view {name}"
                )
            if key == self.key:
                self.found = found
        noted = self.account.entries[self.key].get("subject_prefix")
        if self.found is None and noted and not self.options.repository:
            raise Problem(
                f"GitHub shows no repository {self.name}, which the role trusts as {noted}. It was"
                " deleted, or gh is logged in as somebody who may not see it. Only if it is to be"
                " created anew, name it:",
                "gh auth status",
                f'{AGAIN} ARGS="--repository {self.name}"',
            )
        if self.found is None:
            self.note(self.key, "github_repository", self.options.repository or self.name)
            kind = "public" if self.options.public else "private"
            self.add(f"create the GitHub repository {self.name}, {kind} and empty", self.create)
            self.add(f"ask GitHub for its OIDC subject, and note that in {check.TFVARS}", self.ask)
            return
        if self.found.archived or not self.found.writable:
            what = "is archived" if self.found.archived else "exists, and you may not push to it"
            message = f"{self.name} {what}, so nothing can be published from it."
            raise Problem(message, "gh auth status", f"gh repo view {self.name} --web")
        problem = actions_disabled(self.name)
        if problem:
            raise problem

    def compare(
        self, key: str, entry: dict[str, Any], found: Repository, named: str | None
    ) -> None:
        """Note what GitHub says of a repository where the entry says something else.

        Raises:
            Problem: it is another repository than the one that the role trusts.
        """
        noted, prefix = entry.get("subject_prefix"), subject_prefix(found)
        ids = re.findall("@([0-9]+)", noted or "")
        if noted not in (None, prefix) and key != self.key and not found.writable:
            message = (
                f"The role of {key!r} trusts {noted}, and GitHub says {prefix} now. You may not"
            )
            message += (
                f" push to {found.full_name}, so it may be a stranger's. If it is right, write it"
            )
            raise Problem(f"{message} into {check.TFVARS}.", f"gh repo view {found.full_name}")
        if len(ids) == 2 and int(ids[1]) != found.id and not named:
            raise Problem(
                f"The role of {key!r} trusts {noted}, and {found.full_name} has the id {found.id}."
                " It was deleted and created again, or somebody else took its name. Only if it is"
                " yours, name it:",
                f"gh repo view {found.full_name}",
                f'{AGAIN} ARGS="--repository {found.full_name}"',
            )
        self.note(key, "github_repository", found.full_name)
        self.note(key, "subject_prefix", prefix)
        old = entry["github_repository"]
        if key == self.key and found.full_name.lower() != old.lower():
            self.notes.append(f"README.md and .cookiecutter.json may still name {old}: edit them.")

    def note(self, key: str, attribute: str, value: str) -> None:
        """Put a value into an entry, in the text that will be written."""
        if check.account_in(self.text).entries[key].get(attribute) != value:
            self.text = edited(self.text, ["repositories", key, attribute], value)

    def look_at_bucket(self) -> None:
        """Look whether there is a place for Terraform's state.

        Raises:
            Problem: the bucket is not usable, or the state is still a file.
        """
        wanted = bucket()
        if wanted is None:
            return
        notes = bucket_notes(self.account, wanted)
        local = INFRA / "terraform.tfstate"
        if local.is_file() and json.loads(local.read_text() or "{}").get("resources"):
            make = f"aws {' '.join(creation(wanted))} --region {wanted.region}"
            raise Problem(
                "infra/terraform.tfstate holds what Terraform knows, and infra/backend.tf names the"
                f" bucket {wanted.name}. Nothing is lost: move it there first.",
                *[make] * (notes is None),
                f"{TOOL} -chdir=infra init -migrate-state",
                AGAIN,
            )
        self.notes += notes or []
        self.unplanned = notes is None
        if self.unplanned:
            text = f"make the S3 bucket {wanted.name} in {wanted.region} for the state, versioned"
            self.add(f"{text} and closed to the public", lambda: make_bucket(self.account, wanted))

    def look_at_provider(self, made: set[str]) -> None:
        """Decide whether the account's identity provider is made here, or looked up.

        Raises:
            Problem: it is another's, and does not know the audience.
        """
        ours = PROVIDER in made
        wanted = json.loads(self.text)["create_oidc_provider"]
        found = None if ours else provider(self.account)
        problem = audience_missing(self.account, found) if found else None
        if problem:
            raise problem
        if found and wanted and self.lost:  # the state that is lost had it
            arn = self.account.oidc_provider
            self.take_over(f"{PROVIDER}[0]", "for GitHub", "stays as it is", arn)
        elif wanted != (ours or not found):
            self.text = edited(self.text, ["create_oidc_provider"], ours or not found)
            if ours:
                why = "was made by this state, so it stays in it"
            elif found:
                why = "exists already, so it is looked up and not created: there is one per account"
            else:
                why = "does not exist yet, so it is created here"
            self.notes.append(
                f"GitHub's OIDC identity provider in account {self.account.id} {why}."
            )

    def look_at_account(self, made: set[str]) -> None:
        """Find what exists under an expected name, and is not in the state."""
        for key, entry in check.account_in(self.text).entries.items():
            module = f"module.repository[{quoted(key)}]"
            address = f"{module}.aws_iam_role.push"
            there = None if address in made else role(self.account, entry)
            if there:
                who = (
                    ", ".join(re.findall('"(repo:[^"]*)"', json.dumps(there))) or "nobody on GitHub"
                )
                self.take_over(address, entry["role_name"], f"trusts {who}")
                noted = self.account.entries[key].get("subject_prefix")
                self.lost = self.lost or (bool(noted) and f'"{noted}:' in json.dumps(there))
            address = f"{module}.aws_ecr_repository.image"
            if address not in made and registry(self.account, entry):
                self.take_over(address, entry["ecr_repository"], "stays with its images")
        if not made and not any('backend "' in each.read_text() for each in INFRA.glob("*.tf")):
            self.notes.append(
                "Terraform's state will be a file here, infra/terraform.tfstate, which is not"
                " committed. Keep it, and share it with whoever applies next."
            )

    def take_over(self, address: str, name: str, state_of_it: str, number: str = "") -> None:
        """Plan to import something that exists, and is not in the state.

        Raises:
            Problem: nobody will be asked, and the flag that allows it was not given.
        """
        what = (
            f"The {KEPT[address.split('.')[-2]]} {name} exists already, and Terraform's state here"
        )
        what += f" does not know it. It {state_of_it}."
        if self.options.yes and not self.options.take_over:
            message = (
                "The state was lost, this is a fresh clone, or it belongs to somebody else. With"
            )
            message = f"{what} {message} --yes it is taken over only if you say so:"
            raise Problem(message, f'{AGAIN} ARGS="--yes --import"')
        self.imports[address] = number or name
        self.notes.append(f"{what} It will be taken over. If it is not yours, answer no.")

    def expected(self, made: set[str]) -> list[str]:
        """Return what Terraform will do, where it cannot be asked before the repository exists."""
        wanted = [(PROVIDER, "for GitHub")] * json.loads(self.text)["create_oidc_provider"]
        for key, entry in check.account_in(self.text).entries.items():
            module = f"module.repository[{quoted(key)}]."
            wanted.append((f"{module}aws_iam_role.push", entry["role_name"]))
            wanted.append((f"{module}aws_ecr_repository.image", entry["ecr_repository"]))
        return [
            f"{'take over' if address in self.imports else 'create':<10}"
            f" {KEPT[address.split('.')[-2]]} {name}"
            for address, name in wanted
            if address not in made
        ] or ["apply infra/"]

    def in_account(self, changes: list[str]) -> str:
        """Return the text of the step in which Terraform works."""
        where = f"in AWS account {self.account.id}, region {self.account.region}:"
        return "\n  ".join([where, *changes])

    def look_at_environment(self) -> None:
        """Hold the environment of the job, if it has one, against the refs that the role trusts."""
        name, refs = self.entry.get("environment"), self.entry["refs"]
        if name is None:
            return
        path, wanted = environment(self.name, name), policies(refs)
        there = known(path) if self.found else None
        if there is None:
            text = f"create the environment {name} on GitHub, for {' and '.join(refs)} alone"
            self.add(text, lambda: self.make_environment(path, wanted))
            return
        have = admitted(path, there)
        if have is None:
            page = f"{page_of(self.name)}/settings/environments"
            self.notes.append(
                f"The environment {name} admits other refs than {' '.join(refs)}: {page}"
            )
            return
        missing = [each for each in wanted if each not in have]
        others = [each["name"] for each in have if each not in wanted]
        if missing:
            text = (
                f"let {' and '.join(each['name'] for each in missing)} use the environment {name}"
            )
            self.add(text, lambda: self.admit(path, missing))
        if others:
            self.notes.append(f"The environment {name} admits {' and '.join(others)}, too.")

    def look_at_rulesets(self) -> None:
        """Offer rulesets on the trusted refs; those that were asked for are steps."""
        refs = self.entry["refs"]
        there: list[dict[str, Any]] = []
        if self.options.ruleset:
            with contextlib.suppress(Denied):  # is told when the ruleset is made
                there = gh(f"repos/{self.name}/rulesets?per_page=100") if self.found else []
            for ruleset in rulesets(refs):
                if ruleset["name"] not in [each["name"] for each in there]:
                    text = f"make the ruleset {ruleset['name']!r} for {' and '.join(refs)}"
                    self.add(text, lambda ruleset=ruleset: self.rule(ruleset))
            return
        for ref in refs if self.found else []:
            said = check.guarded(self.name, ref)
            if "limits who" not in said:
                self.notes.append(f"{said} To leave that to admins: {AGAIN} ARGS=--ruleset")

    # Doing

    def create(self) -> None:
        """Create the repository on GitHub, without a first commit."""
        kind = "--public" if self.options.public else "--private"
        done = run("gh", "repo", "create", self.name, kind)
        must(done, f"GitHub did not create {self.name}", "gh auth status")
        self.created = True

    def ask(self) -> None:
        """Ask GitHub for the subject of the repository that was just created."""
        for seconds in (1, 2, 4, 0):
            self.found = repository(self.name)
            if self.found:
                break
            time.sleep(seconds)
        if self.found is None:
            raise Problem(f"GitHub does not show {self.name} yet, which it has created.", AGAIN)
        self.compare(self.key, self.entry, self.found, self.name)
        self.write()
        print(f"    {self.entry['subject_prefix']}")

    def write(self) -> None:
        """Write the values.

        Raises:
            Problem: somebody has edited them meanwhile.
        """
        if read_text(TFVARS) != self.before:
            message = f"{check.TFVARS} was edited while this was asking, so it was not written."
            raise Problem(message, AGAIN)
        write_text(TFVARS, self.text)
        self.before = self.text

    def plan(self) -> list[str]:
        """Let Terraform plan with the values to be written; return what changes, a line each.

        Raises:
            Problem: it fails, the check refuses it, or it would destroy what others rely on.
        """
        write_text(self.values, self.text)
        try:
            if self.imports:  # Terraform docs, "import" blocks; known since 1.5
                block = "import {{\n  to = {}\n  id = {}\n}}\n"
                blocks = [block.format(each, quoted(self.imports[each])) for each in self.imports]
                write_text(IMPORTS, "".join(blocks))
            options = ("-input=false", "-detailed-exitcode", f"-out={self.saved}")
            done = initialised("plan", *options, f"-var-file={self.values}")
        finally:
            IMPORTS.unlink(missing_ok=True)
        if done.status == 0:
            return []
        if done.status != 2:
            what, lines = f"{TOOL} plan failed, and nothing was changed in AWS:\n{done.said}", []
            if "prevent_destroy" in done.said:
                what += "\nThe provider that this state has made stays for others. Let go of it:"
                lines.append(f"{TOOL} -chdir=infra state rm '{PROVIDER}[0]'")
            raise Problem(what, *lines, AGAIN)
        plan = shown(str(self.saved))
        write_text(self.shown, plan)
        self.judge("--plan", str(self.shown))
        changes = [one for one in json.loads(plan)["resource_changes"] if line(one)]
        lost = [line(one) for one in changes if one["type"] in KEPT and "delete" in actions(one)]
        if lost and not self.options.allow_destroy:
            message = "Terraform would destroy what others rely on, so nothing was changed in AWS:"
            message += "".join(f"\n  {one}" for one in lost)
            message += "\nTake back the edit that leads to this. If it is meant, say so:"
            raise Problem(message, f'{AGAIN} ARGS="--allow-destroy"')
        return [line(one) for one in changes] or ["note the outputs in the state"]

    def apply_unseen(self, said: list[str]) -> None:
        """Plan what could not be planned before, and apply it if it does no more than was said.

        Raises:
            Problem: it does more.
        """
        changes = self.plan()
        policies = r"create .* policy of |note "
        more = [one for one in changes if one not in said and not re.match(policies, one)]
        if more:
            message = "Terraform would do more than was said, so nothing was changed in AWS:"
            message += "".join(f"\n  {each}" for each in more)
            raise Problem(f"{message}\nIt is shown before you are asked if you type:", AGAIN)
        if changes:
            self.apply()

    def apply(self) -> None:
        """Apply the plan.

        Raises:
            Problem: Terraform fails.
        """
        if terraform("apply", "-input=false", str(self.saved), show=True).status:
            message = (
                f"{TOOL} apply ended with the error above. What it has made is in its state, and"
            )
            raise Problem(f"{message} this goes on from there:", AGAIN)

    def make_environment(self, path: str, wanted: list[dict[str, str]]) -> None:
        """Create an environment that the trusted refs alone may use."""
        limits = {"protected_branches": False, "custom_branch_policies": True}
        try:
            gh(path, "PUT", {"deployment_branch_policy": limits})
            self.admit(path, wanted)
        except Denied as denied:
            tested = check.tests_ref(self.account, self.entry)
            rests = "may push the ref, which the role tests" if tested else "may start a workflow"
            refused(denied, f"the trust then rests on who {rests}")

    def admit(self, path: str, wanted: list[dict[str, str]]) -> None:
        """Let refs use an environment."""
        for policy in wanted:
            gh(f"{path}/deployment-branch-policies", "POST", policy)

    def rule(self, ruleset: dict[str, Any]) -> None:
        """Make a ruleset."""
        try:
            gh(f"repos/{self.name}/rulesets", "POST", ruleset)
        except Denied as denied:
            refused(denied, "the trust then rests on who may write to the repository")

    def judge(self, *arguments: str) -> None:
        """Let the check judge the values; what files do not show, a plan must.

        Raises:
            Problem: it has findings.
        """
        write_text(self.values, self.text)
        command = ("scripts/check.py", "--values", str(self.values), *arguments)
        done = run(sys.executable, *command)
        if done.status == 1 or (done.status and (arguments or "PyYAML" in done.out)):
            text = f"{done.out}{done.err}".strip().replace(str(self.values), check.TFVARS)
            raise Problem(f"The check does not agree, so nothing is applied:\n{text}", "make check")

    # Saying

    def differences(self) -> str:
        """Return the values that will be written, a line each."""
        old, new = json.loads(self.before), json.loads(self.text)
        sides: list[Any] = [(("create_oidc_provider",), old, new)]
        new_entries = check.account_in(self.text).entries
        sides += [(OURS, self.account.entries[key], each) for key, each in new_entries.items()]
        return "".join(
            f"\n  {name}: {json.dumps(one.get(name))} -> {json.dumps(other.get(name))}"
            for names, one, other in sides
            for name in names
            if one.get(name) != other.get(name)
        )

    def report(self) -> None:
        """Print what is there now, and the command that publishes."""
        entry = self.entry
        print(f"\nRole      {self.account.role(entry)}")
        print(f"Registry  {self.account.registry}/{entry['ecr_repository']}")
        print(wrapped(f"Trust     {check.who(self.account, entry)}", " " * 10))
        problem = actions_disabled(self.name) if self.created else None
        if problem:
            print_problem(problem)
        left = uncommitted(5)
        if left:
            print(wrapped(f"\nNot committed, so a release will not have it: {left}"))
            print("  git add --all && git commit && git push")
        pushed = any(step.text.startswith("push ") for step in self.steps)
        print(f"\nThe first image:\n  {release(entry, pushed)}")


def rulesets(refs: list[str]) -> list[dict[str, Any]]:
    """Return rulesets for trusted refs: who may make one, and that what is made stays.

    In a ruleset a * stops at a slash, in a trust policy it does not [GitHub docs, "Creating
    rulesets for a repository", fnmatch].
    """
    made = []
    for target, kind, who, stays in (
        ("tag", "refs/tags/", ["creation"], ["update", "deletion"]),
        ("branch", "refs/heads/", ["update"], ["deletion", "non_fast_forward"]),
    ):
        include = [ref for ref in refs if ref.startswith(kind)]
        include += [f"{ref}/**/*" for ref in include if ref.endswith("*")]
        for name, rules, bypass in (
            (f"only admins publish ({target})", who, [ADMINS]),
            (f"what is published stays ({target})", stays, []),
        ):
            ruleset: dict[str, Any] = {"name": name, "target": target, "enforcement": "active"}
            ruleset["conditions"] = {"ref_name": {"include": include, "exclude": []}}
            ruleset["rules"] = [{"type": rule} for rule in rules]
            made += [{**ruleset, "bypass_actors": bypass}] if include else []
    return made


def refused(denied: Denied, instead: str) -> None:
    """Say that GitHub does not allow a protection, and what remains; this is no failure.

    Raises:
        Denied: it is another error.
    """
    if denied.status not in REFUSALS or re.search("rate limit|abuse", str(denied)):
        raise denied
    print(wrapped(f"    GitHub refuses that ({denied}); {instead}."))


def release(entry: dict[str, Any], pushed: bool) -> str:
    """Return the command that publishes a version, or shows how that goes."""
    tags = [ref[len("refs/tags/") :] for ref in entry["refs"] if ref.startswith("refs/tags/")]
    if not tags:
        return "gh run watch" if pushed else "git push"
    version = tags[0].replace("*", "0.1.0")
    if git("rev-parse", "--verify", "--quiet", f"refs/tags/{version}").status == 0:
        version = tags[0].replace("*", "X.Y.Z")
    workflows = [check.read(ROOT, path) for path in check.workflow_files(ROOT)]
    if any(re.search(r"(?m)^  release:", text) for text in workflows):
        return f"gh release create {version} --generate-notes"
    return f"git tag {version} && git push origin {version}"


def main(arguments: list[str]) -> int:
    """Run the command that was typed; return the exit status."""
    parser = argparse.ArgumentParser(description="README.md has the whole path.")
    commands = ["set-up", "doctor", "destroy"]
    parser.add_argument("command", nargs="?", default="set-up", choices=commands)
    parser.add_argument(
        "--plan", action="store_true", help="only say it; doctor: look for drift, too"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--public", action="store_true", help="create a public repository")
    parser.add_argument("--ruleset", action="store_true", help="leave the trusted refs to admins")
    parser.add_argument("--repository", metavar="OWNER/NAME", help="trust this one from now on")
    parser.add_argument("--import", dest="take_over", action="store_true", help="beside --yes")
    parser.add_argument("--allow-destroy", action="store_true", help="let role or registry go")
    parser.add_argument("--json", action="store_true", help="doctor: for machines")
    options = parser.parse_args(arguments)
    if not re.fullmatch(r"[\w-]+/[\w.-]+", options.repository or "a/b", re.ASCII):
        parser.error(f"{options.repository!r} is not OWNER/NAME, as GitHub shows it")
    if options.command == "destroy" and len(arguments) > 1 + options.plan:
        parser.error("destroy asks by name, and knows no option but --plan")
    encoded = {"errors": "backslashreplace", "line_buffering": True}
    sys.stdout.reconfigure(**encoded)  # type: ignore[union-attr]
    # Answers are read by a program.
    os.environ.update(GH_HOST="github.com", LANGUAGE="C")
    with contextlib.suppress(check.CannotJudge):  # which is said below
        os.environ["GH_HOST"] = account_here().host
    for name in ("CLICOLOR_FORCE", "GH_FORCE_TTY", "GH_DEBUG"):
        os.environ.pop(name, None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    again = AGAIN if options.command == "set-up" else f"make {options.command}"
    setup: Setup | None = None
    try:
        if options.command == "doctor":
            import doctor

            return doctor.main(options.plan, options.json)
        if options.command == "destroy":
            import destroy

            return destroy.main(options.plan)
        IMPORTS.unlink(missing_ok=True)  # of a run that was killed
        with tempfile.TemporaryDirectory() as folder:
            setup = Setup(options, Path(folder))
            return set_up(setup)
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing is half-written, and this goes on from there:")
        print(f"  {again}")
        return 130
    except Problem as problem:
        print_problem(problem)
    except Denied as denied:
        print_problem(Problem(f"GitHub refuses: {denied}", "gh auth status", again))
    except Refused as refusal:
        print_problem(Problem(f"AWS refuses: {refusal.said}", "aws sts get-caller-identity", again))
    except check.CannotJudge as reason:
        print(reason)
    except BrokenPipeError:  # whoever read this has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print_problem(Problem(f"This machine refuses: {error}", again))
    finally:
        if setup and setup.doing:
            print(f"It stopped at: {setup.doing}. What was done before stays.")
    return 1


def set_up(setup: Setup) -> int:
    """Look, print what is missing, ask once and act; return the exit status."""
    missing = tools(setup.account)
    for problem in missing:
        print_problem(problem)
    if missing:
        return 1
    setup.look()
    for number, step in enumerate(setup.steps, 1):
        print(f"{number:>2}. {step.text}".replace("\n", "\n    "))
    for note in setup.notes:
        print(wrapped(f" -  {note}", "   "))
    if not setup.steps:
        print("Nothing to change: everything is there.")
    elif setup.options.plan:
        return 0
    elif not setup.options.yes:
        if sys.stdin is None or not sys.stdin.isatty():
            print("Nothing was changed: there is no terminal to ask at. To do this without:")
            print(f'  {AGAIN} ARGS="--yes"')
            return 1
        try:
            answer = input('Do this? Only "yes" does: ')
        except EOFError:
            answer = ""
        if answer != "yes":
            print("Nothing was changed.")
            return 1
    return act(setup)


def act(setup: Setup) -> int:
    """Do the steps, and report; return the exit status.<% endraw %>"""
    for number, step in enumerate(setup.steps, 1):
        setup.doing = step.text.partition("\n")[0].rstrip(":")
        print(f"[{number}/{len(setup.steps)}] {setup.doing}")
        step.act()
    setup.doing = ""
    setup.report()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
