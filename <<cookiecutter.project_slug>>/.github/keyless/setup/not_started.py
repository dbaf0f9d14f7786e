"""Why GitHub has not started a run for a tag or a branch, as far as GitHub shows it."""

from __future__ import annotations

import re

from keyless.gh import call_github, find_on_github
from keyless.setup.service_files import publishes_releases

# With this text in a commit message GitHub starts no run [GitHub docs, "Skipping workflow runs"].
SKIP = r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]|(?m:^skip-checks: *true)"


def why_nothing_started(name: str, ref: str) -> str:
    """Return why GitHub has not started a run for a ref.

    Args:
        name: of the repository, OWNER/NAME.
        ref: in full: refs/tags/v0.1.0 or refs/heads/main.

    Raises:
        Denied: GitHub refuses to answer.
    """
    _, kind, short = ref.split("/", 2)
    if kind == "tags" and publishes_releases():
        release = find_on_github(f"repos/{name}/releases/tags/{short}")
        if release is None:
            return (
                f"There is no release for {short}, and a tag without a release publishes nothing."
            )
        return (
            "GitHub starts no run if a workflow has published the release with its GITHUB_TOKEN,"
            " or while Actions or deploy.yml are switched off."
        )
    message = call_github(f"repos/{name}/commits/{short}")["commit"]["message"]
    skipped = re.search(SKIP, message)
    if skipped:
        return f"The commit message contains {skipped[0]}, so GitHub starts no run."
    if kind == "heads":
        return (
            "GitHub starts no run if a workflow has pushed with its GITHUB_TOKEN, or while"
            " Actions or deploy.yml are switched off."
        )
    return (
        "GitHub starts no run if more than three tags were pushed at once, if a workflow has"
        " pushed the tag with its GITHUB_TOKEN, or while Actions or deploy.yml are switched off."
    )
