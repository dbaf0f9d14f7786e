"""What a person reads after a generation: what is wrong, or what comes next."""

from __future__ import annotations

import re
import sys
import textwrap

from .generated import TOOL, Generated

NEXT = """
Next:
  cd {project_slug}{commit} && {bootstrap}   # once; asks before it acts
{publish}

{__guide} explains each step."""
# For a Makefile that existed before and has no such target. On Debian and with Homebrew, pip
# installs only into a virtual environment.
WITHOUT_MAKE = f"""python3 -m venv .venv && echo '*' > .venv/.gitignore
  .venv/bin/python -m pip install -r {TOOL}/requirements.txt
  .venv/bin/python {TOOL} bootstrap"""
# If the infra/ of another repository creates the role and the ECR repository.
SERVICE = """
Next, if the repository is not on GitHub yet:
  gh repo create {github_repository} --private
In the repository that holds infra/ (OWNER/NAME below); commit and push the change there:
  make add REPO={github_repository}{options} && make bootstrap
Here:
  cd {project_slug}{first} && make fetch FROM=OWNER/NAME
  git add --all && git commit --message "Publish to ECR" && git push --set-upstream origin main
{publish}

{__guide} explains each step."""
FETCH = """Your Makefile has no target fetch. Instead of make fetch, type:
  gh api -H 'Accept: application/vnd.github.raw' \\
  repos/OWNER/NAME/contents/services/{project_slug}.json > infra.json"""
PUBLISH = {  # for a Makefile that existed before and has no target release
    "release": "  gh release create {} --generate-notes",
    "tag": "  git tag {0} && git push origin {0}",
}
PUSH = "This push to main publishes the first image. Every later push publishes a new one."


def say_adopted(repository: Generated) -> None:
    """Print which files existed before, and which were added or not."""
    if repository.answers["__existing"] == "generated":
        print(f"{len(repository.kept)} files of this template existed before, and are unchanged.")
    else:
        print_list("Kept as they were", repository.kept)
    print_list("Added", [f"{name}/" if name == TOOL else name for name in repository.added])
    if TOOL not in repository.added:
        print(f"Replaced: {TOOL}/")
    if not (repository.root / "app/server.py").exists():
        print("Not added: the sample service (app/) and its Dockerfile")


def print_list(what: str, names: list[str]) -> None:
    """Print a list of files, wrapped at 100 characters."""
    text = f"{what} ({len(names)}): {', '.join(names) or 'none'}"
    print(textwrap.fill(text, 100, subsequent_indent="  ", break_on_hyphens=False))


def say_refused(repository: Generated, findings: list[str]) -> None:
    """Print what is wrong; in a repository that existed before, also what stays."""
    print(*findings, sep="\n")
    print(f"Defects: {len(findings)}. The repository would not work as it is.")
    if not repository.adopted:
        return
    print("The added files stay. Correct this, and run the same command again.")
    rules = getattr(sys.modules.get("keyless.check"), "SKIPPABLE", ())  # empty if it did not run
    kept = sorted(rule for rule in rules if any(f" {rule} " in finding for finding in findings))
    if kept:
        print("If a workflow requests no token, it can keep its findings. Write into it:")
        print(f"    # check: skip={','.join(kept)} YOUR REASON")


def say_judged(repository: Generated, skipped: list[str]) -> None:
    """Print how much was judged, and which programs could not be run."""
    count = len(repository.texts)
    print(f"Checked {count} files: they parse, and workflow and role agree on who can publish.")
    if skipped:
        print(f"Could not run: {', '.join(skipped)}. The repository's own CI runs them.")


def say_next(repository: Generated) -> None:
    """Print notes, and the commands that come next."""
    answers, makefile = repository.answers, repository.texts.get("Makefile", "")
    if '"test_ref": false' in repository.texts.get("infra/terraform.tfvars.json", ""):
        print(
            "In this partition, a role cannot test the ref of a job with an environment. make "
            "bootstrap\nlimits the environment to the trusted refs. Anyone who can change that "
            "limit can publish."
        )
    if repository.adopted:
        _say_outer_repository(repository)
    if not repository.has_infra:
        if not re.search(r"(?m)^fetch:", makefile):
            print(FETCH.format(**answers))
        first, options = _git_commands(repository), _options_of_add(repository)
        publish = _publish(repository, "v0.1.0", "every version")
        print(SERVICE.format(**answers, first=first, options=options, publish=publish))
        return
    commit, bootstrap = "", "make bootstrap"
    if repository.added and repository.has_git:
        commit = " && git add --all && git commit"
    if not re.search(rf"(?m)^bootstrap:.*\n\t.*{re.escape(TOOL)} bootstrap", makefile):
        bootstrap = WITHOUT_MAKE
    publish = _publish(repository, "v0.2.0", "every later version")
    print(NEXT.format(**answers, commit=commit, bootstrap=bootstrap, publish=publish))


def _publish(repository: Generated, version: str, which: str) -> str:
    """Return the command that publishes a version, or a sentence if every push publishes one."""
    if repository.answers["deploy_on"] == "branch":
        return PUSH
    makefile = repository.texts.get("Makefile", "")
    if re.search(rf"(?m)^release:.*\n\t.*{re.escape(TOOL)} release", makefile):
        return f"  make release VERSION={version}   # {which}"
    return f"{PUBLISH[repository.answers['deploy_on']].format(version)}   # {which}"


def _say_outer_repository(repository: Generated) -> None:
    above = [path for path in repository.root.parents if (path / ".git").exists()]
    if above and not repository.has_git:
        print(f"This folder is inside the Git repository {above[0]}.")
        print("GitHub reads workflows only in its top folder: move .github/ there.")


def _git_commands(repository: Generated) -> str:
    """Return the commands that make the folder a Git repository, if it is not one."""
    if repository.has_git:
        return ""
    url = f"https://github.com/{repository.answers['github_repository']}.git"
    return f" && git init --quiet --initial-branch=main && git remote add origin \\\n  {url}"


def _options_of_add(repository: Generated) -> str:
    """Return the options of `make add` that follow from the answers."""
    given = []
    if repository.answers["deploy_on"] == "branch":
        given.append("--ref refs/heads/main")
    if name := repository.answers["github_environment"]:
        plain = re.fullmatch(r"[\w.-]+", name)
        given.append(f"--environment {name}" if plain else f'--environment \\"{name}\\"')
    return f' ARGS="{" ".join(given)}"' if given else ""
