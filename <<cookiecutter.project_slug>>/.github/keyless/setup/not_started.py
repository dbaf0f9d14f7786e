"""Why GitHub has started nothing for a tag or a branch, as far as it shows that."""

from __future__ import annotations

import re

from keyless.gh import call_github, find_on_github
from keyless.setup.service_files import publishes_releases

# What keeps GitHub from starting a workflow for a push [GitHub docs, "Skipping workflow runs"].
SKIP = r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]|(?m:^skip-checks: *true)"


def why_nothing_started(name: str, ref: str) -> str:
    """Return why GitHub has started nothing for a ref.

    Args:
        name: of the repository, OWNER/NAME.
        ref: in full: refs/tags/v0.1.0 or refs/heads/main.

    Raises:
        Denied: GitHub does not tell.
    """
    _, kind, short = ref.split("/", 2)
    if kind == "tags" and publishes_releases():
        release = find_on_github(f"repos/{name}/releases/tags/{short}")
        if release is None:
            return "No release was published for it, and a tag alone publishes nothing."
        return (
            "GitHub starts nothing for a release that a workflow has published with its"
            " GITHUB_TOKEN, and nothing while Actions or deploy.yml are switched off."
        )
    message = call_github(f"repos/{name}/commits/{short}")["commit"]["message"]
    skipped = re.search(SKIP, message)
    if skipped:
        return f"The message of its commit holds {skipped[0]}, so GitHub starts nothing for it."
    if kind == "heads":
        return (
            "GitHub starts nothing where a workflow pushes with its GITHUB_TOKEN, and while"
            " Actions or deploy.yml are switched off."
        )
    return (
        "GitHub starts nothing where more than three tags are pushed at once, where a workflow"
        " pushes a tag with its GITHUB_TOKEN, and while Actions or deploy.yml are switched off."
    )
