"""A stand-in for GitHub's command line. It answers only what this project types.

It answers from the folder $HUB (hub.py). An unknown command, flag or path is an error, as in
the original [gh manual and cli/cli's sources]. What GitHub itself answers is in gh_api.py.
"""

from __future__ import annotations

import json
import os
import re
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.standins.gh_api import environment, respond, visible
from tests.standins.gh_requests import HTTPError
from tests.standins.gh_runs import (
    FIELDS,
    begin_again,
    listed,
    log_is_there,
    log_of,
    next_error,
    one_run,
    start,
    start_pushed,
    start_released,
)
from tests.standins.hub import PUBLIC, Hub, find

TEXTS = {"--title": True, "--notes-file": True, "--prerelease": False, "--verify-tag": False}
COMMANDS: dict[
    str, tuple[int, dict[str, bool]]
] = {  # arguments; flags, and whether one has a value
    "api": (
        1,
        {"--include": False}
        | dict.fromkeys(
            ("--method", "--input", "--jq", "--header", "--hostname", "-F", "-f"), True
        ),
    ),
    "auth login": (0, {"--scopes": True, "--hostname": True}),
    "auth refresh": (0, {"--scopes": True, "--hostname": True}),
    "auth status": (0, {}),
    "repo unarchive": (1, {}),
    "repo view": (1, {"--web": False}),
    "workflow enable": (1, {"--repo": True}),
    "repo create": (1, {"--private": False, "--public": False}),
    "config get": (1, {}),
    "secret delete": (1, {"--repo": True}),
    "secret list": (0, {"--repo": True, "--env": True, "--json": True}),
    "run list": (
        0,
        dict.fromkeys(("--repo", "--workflow", "--limit", "--json", "--branch"), True),
    ),
    "run view": (1, {"--repo": True, "--log": False, "--log-failed": False}),
    "run rerun": (1, {"--repo": True, "--failed": False}),
    "release create": (1, {"--generate-notes": False, "--target": True, "--repo": True, **TEXTS}),
    "release edit": (1, TEXTS),
    "release view": (1, {}),
    "workflow run": (1, {"--ref": True, "--repo": True}),
    "auth git-credential": (1, {}),
}
LOGIN = """\
To get started with GitHub CLI, please run:  gh auth login
Alternatively, populate the GH_TOKEN environment variable with a GitHub API authentication token."""
OFFLINE = """\
error connecting to api.github.com
check your internet connection or https://githubstatus.com"""


class Refused(Exception):
    """The command ends here: text and exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


RAW = "Accept: application/vnd.github.raw"


def main(words: list[str]) -> int:
    """Answer one call."""
    if words == ["--version"]:
        print("gh version 2.83.0 (2025-11-04)\nhttps://github.com/cli/cli/releases/tag/v2.83.0")
        return 0
    hub = Hub(Path(os.environ["HUB"]))
    hub.log("gh", *words)
    try:
        command, arguments, flags = parsed(words)
        user = hub.state()["user"]
        asks = command != "config get" and not command.startswith("auth ")
        if asks:
            if not user["logged_in"]:
                raise Refused(LOGIN, 4)
            if user["offline"]:
                raise Refused(OFFLINE)
        if command == "api":
            return api(hub, arguments[0], flags)
        if asks and user["bad_token"]:
            text = "HTTP 401: Bad credentials (https://api.github.com/graphql)"
            raise Refused(f"{text}\nTry authenticating with:  gh auth login")
        answer(hub, command, arguments, flags)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return refusal.status
    return 0


def parsed(words: list[str]) -> tuple[str, list[str], dict[str, str]]:
    """Return command, arguments and flags.

    Raises:
        Refused: something is unknown, or too much, or missing.
    """
    command = words[0] if words[:1] == ["api"] else " ".join(words[:2])
    if command not in COMMANDS:
        first, second = [*words, "", ""][:2]
        if any(each.startswith(f"{first} ") for each in COMMANDS):
            raise Refused(f'unknown command "{second}" for "gh {first}"')
        raise Refused(f'unknown command "{first}" for "gh"')
    count, known = COMMANDS[command]
    arguments: list[str] = []
    flags: dict[str, str] = {}
    rest = iter(words[len(command.split()) :])
    for word in rest:
        name, given, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            arguments.append(word)
        elif name not in known or (given and not known[name]):
            raise Refused(f"unknown flag: {name}")
        else:
            if known[name] and not given:
                following = next(rest, None)
                if following is None:
                    raise Refused(f"flag needs an argument: {name}")
                value = following
            more = flags.get(name, "") if name in ("-F", "-f") else ""  # given more than once
            flags[name] = f"{more}\0{value}" if more else value
    if len(arguments) != count:
        raise Refused(f"accepts {count} arg(s), received {len(arguments)}")
    return command, arguments, flags


def answer(hub: Hub, command: str, arguments: list[str], flags: dict[str, str]) -> None:
    """Answer a command that is no request of its own."""
    if command == "repo create":
        create(hub, arguments[0], flags)
    elif command == "config get":
        if arguments[0] != "git_protocol":
            raise Refused(f'could not find key "{arguments[0]}"')
        print(hub.state()["user"]["git_protocol"])
    elif command in ("auth login", "auth refresh"):
        log_in(hub, flags)
    elif command == "repo unarchive":
        hub.change(arguments[0], archived=False)
    elif command == "workflow enable":
        hub.change(flags["--repo"], workflow_state="active")
    elif command == "workflow run":
        dispatch(hub, arguments[0], flags)
    elif command == "release create":
        release(hub, arguments[0], flags)
    elif command in ("release edit", "release view"):
        edit_release(hub, arguments[0], flags)
    elif command == "secret list":
        stored(hub, flags)
    elif command == "secret delete":
        delete_secret(hub, arguments[0], flags)
    elif command == "run list":
        runs(hub, flags)
    elif command == "run view":
        show_run(hub, arguments[0], flags)
    elif command == "run rerun":
        rerun(hub, arguments[0], flags)


def log_in(hub: Hub, flags: dict[str, str]) -> None:
    """Log in as in a browser, where single sign-on is granted, too; scopes are added."""
    scopes = {*(hub.state()["user"]["scopes"] or "gist, read:org, repo").split(", ")}
    scopes |= {*filter(None, flags.get("--scopes", "").split(","))}
    known = {"logged_in": True, "bad_token": False, "saml": False}
    hub.user(scopes=", ".join(sorted(scopes)), **known)


def release(hub: Hub, tag: str, flags: dict[str, str]) -> None:
    """Publish a release, with its tag if that is new; without --repo of the one repository."""
    names = [each["full_name"] for each in hub.state()["repositories"].values()]
    repository = hub.repository(flags.get("--repo") or names[0])
    name = repository["full_name"]
    target = flags.get("--target", f"refs/heads/{repository['default_branch']}")
    url = f"https://api.github.com/repos/{name}/releases"
    if repository["no_releases"]:
        raise Refused(f"HTTP 422: Validation Failed ({url})\n{repository['no_releases']}")
    if not hub.commit(repository, f"refs/heads/{repository['default_branch']}"):
        raise Refused("HTTP 422: Repository is empty.")
    if not hub.commit(repository, target):
        text = "target_commitish is invalid\nPublished releases must have a valid tag"
        raise Refused(f"HTTP 422: Validation Failed ({url})\n{text}")
    if tag in repository["releases"]:
        text = "Release.tag_name already exists"
        raise Refused(f"HTTP 422: Validation Failed ({url})\n{text}")
    verify_tag(hub, repository, tag, flags)
    if not hub.commit(repository, f"refs/tags/{tag}"):
        hub.tag(repository, tag, target)
    hub.change(name, releases=[*repository["releases"], tag])
    write_texts(hub, name, tag, flags)
    start_released(hub, name, tag)
    print(f"{PUBLIC}{name}/releases/tag/{tag}")


def edit_release(hub: Hub, tag: str, flags: dict[str, str]) -> None:
    """Change the texts of a release, of the one repository, or show that it exists."""
    (name,) = [each["full_name"] for each in hub.state()["repositories"].values()]
    repository = hub.repository(name)
    if tag not in repository["releases"]:
        raise Refused("release not found")
    verify_tag(hub, repository, tag, flags)
    write_texts(hub, name, tag, flags)
    print(f"{PUBLIC}{name}/releases/tag/{tag}")


def verify_tag(hub: Hub, repository: dict[str, Any], tag: str, flags: dict[str, str]) -> None:
    """End where a tag must exist and does not [cli/cli, pkg/cmd/release/create]."""
    if "--verify-tag" in flags and not hub.commit(repository, f"refs/tags/{tag}"):
        name = repository["full_name"]
        raise Refused(f"tag {tag} doesn't exist in the repo {name}, aborting due to --verify-tag")


def write_texts(hub: Hub, name: str, tag: str, flags: dict[str, str]) -> None:
    """Keep title, notes and kind of a release, as far as they are given."""
    texts = hub.repository(name)["release_texts"]
    given = {key[2:]: flags[key] for key in ("--title", "--prerelease") if key in flags}
    if "--notes-file" in flags:
        given["notes"] = Path(flags["--notes-file"]).read_text()
    hub.change(name, release_texts={**texts, tag: {**texts.get(tag, {}), **given}})


def dispatch(hub: Hub, workflow: str, flags: dict[str, str]) -> None:
    """Start a workflow by hand; without --repo it is that of the one repository there is."""
    names = [each["full_name"] for each in hub.state()["repositories"].values()]
    repository = hub.repository(flags.get("--repo") or names[0])
    name, ref = repository["full_name"], flags.get("--ref", repository["default_branch"])
    if not hub.has(repository, f".github/workflows/{workflow}"):
        raise Refused(f"HTTP 404: workflow {workflow} not found on the default branch")
    kinds = [kind for kind in ("tags", "heads") if hub.commit(repository, f"refs/{kind}/{ref}")]
    if not kinds:
        raise Refused(
            f"could not create workflow dispatch event: HTTP 422: No ref found for: {ref}"
        )
    if repository["workflow_state"] != "active":
        text = "could not create workflow dispatch event: HTTP 422: Cannot trigger a 'workflow_"
        raise Refused(f"{text}dispatch' on a disabled workflow")
    start(hub, name, f"refs/{kinds[0]}/{ref}", "workflow_dispatch")


def create(hub: Hub, full_name: str, flags: dict[str, str]) -> None:
    """Make a repository."""
    if len(flags) > 1:
        raise Refused("expected exactly one of `--public`, `--private`, or `--internal`")
    if not flags:
        text = "`--public`, `--private`, or `--internal` required when not running interactively"
        raise Refused(text)
    if not re.fullmatch(r"[\w-]+/[\w.-]+", full_name):
        raise Refused(f'expected the "[HOST/]OWNER/REPO" format, got "{full_name}"')
    state = hub.state()
    if not state["user"]["may_create"]:
        owner = full_name.split("/")[0]
        raise Refused(f"{state['user']['login']} cannot create a repository for {owner}.")
    repository, moved = find(state, full_name)
    if repository and not moved:
        raise Refused("GraphQL: Name already exists on this account (createRepository)")
    hub.create(full_name, private="--private" in flags, **state["user"]["in_new"])
    print(f"{PUBLIC}{full_name}")


def stored(hub: Hub, flags: dict[str, str]) -> None:
    """Print the names of the secrets of a repository or of one of its environments."""
    path = f"environments/{flags['--env']}/secrets" if "--env" in flags else "actions/secrets"
    repository = named(hub, flags, "failed to get secrets: ", path)
    asked(flags, {"name"})
    names = repository["secrets"]
    if "--env" in flags:
        made = environment(repository, flags["--env"])
        names = repository["environment_secrets"].get(flags["--env"], [] if made else None)
    if names is None:
        raise Refused("failed to get secrets: HTTP 404: Not Found")
    print(json.dumps([{"name": name} for name in names]))


def delete_secret(hub: Hub, name: str, flags: dict[str, str]) -> None:
    """Delete a secret of a repository."""
    path = f"actions/secrets/{name}"
    said = f"failed to delete secret {name}: "
    repository = named(hub, flags, said, path)
    if name not in repository["secrets"]:
        url = f"https://api.github.com/repos/{flags['--repo']}/{path}"
        raise Refused(f"{said}HTTP 404: Not Found ({url})")
    left = [each for each in repository["secrets"] if each != name]
    hub.change(flags["--repo"], secrets=left)


def runs(hub: Hub, flags: dict[str, str]) -> None:
    """Print the runs of a workflow, which must be on the default branch."""
    if not re.fullmatch("[1-9][0-9]*", flags.get("--limit", "20")):
        raise Refused(f"invalid limit: {flags['--limit']}")
    workflow = flags.get("--workflow", "")
    path = f"actions/workflows/{workflow}"
    repository = named(hub, flags, "", path)
    fields = asked(flags, FIELDS)
    if error := next_error(hub, repository["full_name"]):
        raise Refused(error)
    if not hub.has(repository, f".github/workflows/{workflow}"):
        if hub.state()["user"]["old_gh"]:
            raise Refused(f"could not find any workflows named {workflow}")
        url = f"https://api.github.com/repos/{repository['full_name']}/{path}"
        raise Refused(f"HTTP 404: workflow {workflow} not found on the default branch ({url})")
    start_pushed(hub, repository["full_name"])
    found = [
        each
        for each in listed(hub, repository["full_name"])
        if flags.get("--branch") in (None, each.get("headBranch"))
    ][: int(flags.get("--limit", "20"))]
    print(json.dumps([{field: run.get(field, "") for field in fields} for run in found]))


def show_run(hub: Hub, number: str, flags: dict[str, str]) -> None:
    """Print a run, or its log, which is there a moment after the run has ended."""
    repository = named(hub, flags, "failed to get run: ", f"actions/runs/{number}")
    if {"--log", "--log-failed"} <= flags.keys():
        raise Refused("specify only one of --log or --log-failed")
    run = one_run(repository, number)
    if run is None:
        url = f"https://api.github.com/repos/{repository['full_name']}/actions/runs/{number}"
        raise Refused(f"failed to get run: HTTP 404: Not Found ({url}?exclude_pull_requests=true)")
    if not {"--log", "--log-failed"} & flags.keys():
        print(f"\n{run['headBranch']} deploy · {number}\n\nView this run on GitHub: {run['url']}")
    elif run["status"] != "completed":
        raise Refused(
            f"run {number} is still in progress; logs will be available when it is complete"
        )
    elif not log_is_there(hub, repository["full_name"], number):
        raise Refused("failed to get run log: log not found")
    else:
        print(log_of(run, failed="--log-failed" in flags), end="")


def rerun(hub: Hub, number: str, flags: dict[str, str]) -> None:
    """Let a run begin again, under the same number."""
    repository = named(hub, flags, "failed to get run: ", f"actions/runs/{number}")
    if one_run(repository, number) is None:
        raise Refused(f"failed to get run: HTTP 404: Not Found (run {number})")
    begin_again(hub, repository["full_name"], number)


def named(hub: Hub, flags: dict[str, str], task: str, path: str) -> dict[str, Any]:
    """Return the repository that --repo names."""
    if "--repo" not in flags:
        raise Refused("no git remotes found")
    repository, _ = visible(hub.state(), flags["--repo"])
    if repository is None:
        url = f"https://api.github.com/repos/{flags['--repo']}/{path}"
        raise Refused(f"{task}HTTP 404: Not Found ({url})")
    return repository


def asked(flags: dict[str, str], known: set[str]) -> list[str]:
    """Return the fields that --json names."""
    fields = flags.get("--json", "").split(",")
    for field in fields:
        if field not in known:
            raise Refused(f'Unknown JSON field: "{field}"')
    return fields


def api(hub: Hub, path: str, flags: dict[str, str]) -> int:
    """Answer a request."""
    given = {"--input", "-F", "-f"} & flags.keys()
    method = flags.get("--method", "POST" if given else "GET").upper()
    text = json.dumps(typed_fields(flags)) if given - {"--input"} else ""
    if "--input" in flags:
        source = flags["--input"]
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
    user = hub.state()["user"]
    try:
        if user["bad_token"]:
            raise HTTPError(401, "Bad credentials")
        status, body = respond(hub, method, path.removeprefix("/"), text)
        problem = ""
    except HTTPError as error:
        status, problem = error.status, str(error)
        url = "https://docs.github.com/rest"
        body = {"message": problem, "documentation_url": url, "status": str(status)}
    if "--include" in flags:
        print(f"HTTP/2.0 {status} {HTTPStatus(status).phrase}")
        print("Content-Type: application/json; charset=utf-8\r")
        if user["scopes"] is not None and not user["bad_token"]:
            print(f"X-Oauth-Scopes: {user['scopes']}\r")
        print("\r")
    if problem:
        print(json.dumps(body), end="")
        print(f"gh: {problem} (HTTP {status})", file=sys.stderr)
        return 1
    if flags.get("--header", RAW) != RAW:
        raise Refused(f"this stand-in knows no header but {RAW}")
    if "--header" in flags:
        print(body, end="")
    elif status != 204:
        print(selected(body, flags["--jq"]) if "--jq" in flags else json.dumps(body))
    return 0


def typed_fields(flags: dict[str, str]) -> dict[str, Any]:
    """Return the body of -F and -f: -F reads true, false and numbers; KEY[] is a list."""
    body: dict[str, Any] = {}
    for flag in ("-F", "-f"):
        for word in filter(None, flags.get(flag, "").split("\0")):
            key, equals, value = word.partition("=")
            if not equals:
                raise Refused(f"field \"{word}\" requires a value separated by an '=' sign")
            plain = flag == "-F" and re.fullmatch("true|false|[0-9]+", value)
            read = json.loads(value) if plain else value
            if key.endswith("[]"):
                body.setdefault(key[:-2], []).append(read)
            else:
                body[key] = read
    return body


def selected(body: Any, query: str) -> str:
    """Return the value of one key, as jq prints it: of the language, no more is known."""
    if not re.fullmatch(r"\.\w+", query) or not isinstance(body, dict):
        raise Refused(f"failed to parse jq expression ({query})")
    value = body.get(query[1:])
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
