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
# Where a Makefile that was there before has no such target. Debian and Homebrew let pip install
# nothing outside of a virtual environment.
WITHOUT_MAKE = f"""python3 -m venv .venv && echo '*' > .venv/.gitignore
  .venv/bin/python -m pip install -r {TOOL}/requirements.txt
  .venv/bin/python {TOOL} bootstrap"""
# Where the infra/ of another repository makes role and registry.
SERVICE = """
Next, if it is not on GitHub yet:
  gh repo create {github_repository} --private
In the repository that holds infra/ (OWNER/NAME below), which is committed and pushed there:
  make add REPO={github_repository}{options} && make bootstrap
Here:
  cd {project_slug}{first} && make fetch FROM=OWNER/NAME
  git add --all && git commit --message "Publish to ECR" && git push --set-upstream origin main
{publish}

{__guide} explains each step."""
FETCH = """Your Makefile has no fetch: that is
  gh api -H 'Accept: application/vnd.github.raw' \\
  repos/OWNER/NAME/contents/services/{project_slug}.json > infra.json"""
PUBLISH = {  # where a Makefile that was there before has no release
    "release": "  gh release create {} --generate-notes",
    "tag": "  git tag {0} && git push origin {0}",
}
PUSH = "Its push to main publishes the first image, and so does every later one."


def say_adopted(repository: Generated) -> None:
    """Print what was there, what was added, and what was not."""
    if repository.answers["__existing"] == "generated":
        print(f"{len(repository.kept)} files of this template were there, and stay as they are.")
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
    """Print what is wrong; in a repository that was there before, also what stays."""
    print(*findings, sep="\n")
    print(f"Defects: {len(findings)}. The repository would not work as it is.")
    if not repository.adopted:
        return
    print("What was added stays. Correct this, and type the same command once more.")
    rules = getattr(sys.modules.get("keyless.check"), "SKIPPABLE", ())  # none where it did not run
    kept = sorted(rule for rule in rules if any(f" {rule} " in finding for finding in findings))
    if kept:
        print("A workflow that asks for no token may keep findings; write into it:")
        print(f"    # check: skip={','.join(kept)} YOUR REASON")


def say_judged(repository: Generated, skipped: list[str]) -> None:
    """Print how much was judged, and which programs could not be run."""
    count = len(repository.texts)
    print(f"Checked {count} files: they parse, and workflow and role agree on who may publish.")
    if skipped:
        print(f"Could not be run: {', '.join(skipped)}. The repository's own CI runs them.")


def say_next(repository: Generated) -> None:
    """Print what is to be known, and the commands that come next."""
    answers, makefile = repository.answers, repository.texts.get("Makefile", "")
    if '"test_ref": false' in repository.texts.get("infra/terraform.tfvars.json", ""):
        print(
            "In this partition a role cannot test the ref beside an environment: make bootstrap "
            "limits the\nenvironment to the trusted refs, and whoever may change that may publish."
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
    """Return what publishes a version, and which ones are meant; where pushes do, that they do."""
    if repository.answers["deploy_on"] == "branch":
        return PUSH
    makefile = repository.texts.get("Makefile", "")
    if re.search(rf"(?m)^release:.*\n\t.*{re.escape(TOOL)} release", makefile):
        return f"  make release VERSION={version}   # {which}"
    return f"{PUBLISH[repository.answers['deploy_on']].format(version)}   # {which}"


def _say_outer_repository(repository: Generated) -> None:
    above = [path for path in repository.root.parents if (path / ".git").exists()]
    if above and not repository.has_git:
        print(f"This folder lies in the Git repository {above[0]}.")
        print("GitHub reads workflows in its top folder only: move .github/ there.")


def _git_commands(repository: Generated) -> str:
    """Return what makes a repository of a folder that is none."""
    if repository.has_git:
        return ""
    url = f"https://github.com/{repository.answers['github_repository']}.git"
    return f" && git init --quiet --initial-branch=main && git remote add origin \\\n  {url}"


def _options_of_add(repository: Generated) -> str:
    """Return what `make add` must know of the answers."""
    given = []
    if repository.answers["deploy_on"] == "branch":
        given.append("--ref refs/heads/main")
    if name := repository.answers["github_environment"]:
        plain = re.fullmatch(r"[\w.-]+", name)
        given.append(f"--environment {name}" if plain else f'--environment \\"{name}\\"')
    return f' ARGS="{" ".join(given)}"' if given else ""
