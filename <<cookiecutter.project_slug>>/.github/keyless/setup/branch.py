"""The branch that publishes, if branches are trusted: GitHub must have it."""

from __future__ import annotations

import shlex

from keyless.console import Problem
from keyless.gh import github_host
from keyless.model.refs import ref_matches
from keyless.setup.retry import AGAIN

HEADS = "refs/heads/"


def missing_branch(name: str, refs: list[str], heads: list[str], default: str) -> Problem | None:
    """Return why no push can publish: none of the trusted branches is on GitHub.

    Args:
        name: of the repository, OWNER/NAME.
        refs: what the role trusts.
        heads: the branches that GitHub has, or will have: refs/heads/NAME.
        default: the name of the default branch.
    """
    branches = [ref for ref in refs if ref.startswith(HEADS)]
    if len(branches) < len(refs) or any(ref.endswith("*") for ref in branches):
        return None  # a tag, or a branch that matches, can be created at any time
    if any(ref_matches(head, ref) for head in heads for ref in branches):
        return None
    wanted = branches[0][len(HEADS) :]
    message = f"A push to the branch {wanted} publishes, but {name} has no such branch: its default"
    message += f" branch is {default}. So nothing would ever be published. There are two ways out:"
    return Problem(
        message,
        "# either rename the branch, on GitHub and here:",
        *_renaming(name, default, wanted),
        f"# or let {default} publish:",
        _trusting(default, wanted),
        f'git commit --all --message "Publish from {default}"',
        "# then:",
        AGAIN,
    )


def _renaming(name: str, old: str, new: str) -> tuple[str, str]:
    """Return what renames a branch on GitHub, and then in a clone."""
    where = f" --hostname {github_host()}" * (github_host() != "github.com")
    path = f"repos/{name}/branches/{old}/rename"
    here = f"git branch -m {shlex.quote(old)} {shlex.quote(new)} && git fetch --prune origin"
    return (
        f"gh api{where} --method POST {path} -f new_name={new}",
        f"{here} && git branch -u origin/{shlex.quote(new)}",
    )


def _trusting(branch: str, old: str) -> str:
    """Return what writes another branch into workflows and infra/."""
    refs = f"-e 's#{HEADS}{old}#{HEADS}{branch}#g'"
    words = f"-e 's#branches: \\[{old}\\]#branches: [{branch}]#' -e 's#--ref {old}#--ref {branch}#'"
    words += f" -e 's#branch {old},#branch {branch},#' -e 's#Run it on {old}#Run it on {branch}#'"
    files = ".github/workflows/*.yml infra/*.tfvars.json infra/tests/*.hcl"
    copies = ".github/workflows/*.bak infra/*.bak infra/tests/*.bak"
    return f"sed -i.bak {refs} {words} {files} && rm -f {copies}"
