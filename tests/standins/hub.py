"""GitHub as a folder: the data for the stand-in of gh, and the Git repositories.

`state.json` holds the user and the repositories by id, `calls.log` one line for each call of gh and
aws, `git/OWNER/NAME.git` the bare repositories. Each call of gh loads this module, so it
imports nothing that is slow to load.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = "https://github.com/"
USER: dict[str, Any] = {
    "login": "octocat",
    "scopes": "gist, read:org, repo, workflow",  # None: a fine-grained token, which names none
    "logged_in": True,
    "bad_token": False,
    "offline": False,
    "plan": "pro",  # free, pro or enterprise; of every owner
    "git_protocol": "https",
    "old_gh": False,  # before 2.61, which says otherwise that there is no workflow
    "may_create": True,
    "in_new": {},  # what a repository that is created has otherwise than REPOSITORY
    "member": True,  # of each organisation
    "no_such_owners": [],
    "people": [],  # owners that are other persons; all further ones are organisations
    "saml": False,  # True: organisations want single sign-on before they answer
}
NONE_SELECTED = {"github_owned_allowed": False, "verified_allowed": False, "patterns_allowed": []}
REPOSITORY: dict[str, Any] = {
    "private": True,
    "classic": False,  # True: created before 2026-07-15, a subject prefix without ids
    "archived": False,
    "disabled": False,
    "permissions": dict.fromkeys(("admin", "maintain", "push", "triage", "pull"), True),
    "default_branch": "main",
    "created_at": None,  # a time that fits to `classic`
    "actions_enabled": True,
    "allowed_actions": "all",
    "selected_actions": NONE_SELECTED,
    "protected": False,  # whether each branch is, in the old way
    "workflow_state": "active",  # of each workflow
    "immutable": False,  # whether releases are
    "releases": [],  # the tags of those that are published
    "release_texts": {},  # tag: its title and notes, and prerelease if it is one
    "oidc": "derived",  # or the whole answer; None: there is no such endpoint
    "environments": {},  # name: what PUT takes, and "policies": [{"name": ..., "type": ...}]
    "rulesets": [],  # what POST takes, with an "id"
    "secrets": [],  # names
    "environment_secrets": {},  # environment: names
    "runs": [],  # of deploy.yml, the newest first, in the words of gh run list --json
    "course": {},  # how its next runs go, where that is not as in COURSE of gh_runs.py
    "looked_at": {},  # commits of pushed refs, for each of which GitHub has decided what starts
    "has_issues": True,
    "issues": [],  # the oldest first, as the API shows them
    "comments": [],  # of issues: the number of each, and the text
    "no_releases": "",  # with these words GitHub refuses each release
}


class Hub:
    """A GitHub of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "state.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            self.clear()
            self.save({"user": USER, "repositories": {}, "redirects": {}})

    def create(
        self,
        full_name: str,
        *,
        owner_id: int = 123456,
        repository_id: int | None = None,
        **settings: Any,
    ) -> None:
        """Make an empty repository; settings are the keys of REPOSITORY.

        Args:
            full_name: OWNER/NAME, as GitHub shall write it.
            owner_id: the number of its owner.
            repository_id: its own number; 456789 or the next free one, if left out.
            settings: what differs from the defaults.
        """
        state = self.state()
        number = repository_id or max([456788, *map(int, state["repositories"])]) + 1
        repository = {**REPOSITORY, **only(REPOSITORY, settings)}
        classic = repository["classic"]
        repository["created_at"] = repository["created_at"] or (
            "2026-01-15T10:00:00Z" if classic else "2026-08-01T10:00:00Z"
        )
        names = {"id": number, "full_name": full_name, "owner_id": owner_id}
        state["repositories"][str(number)] = names | repository
        state["redirects"].pop(full_name.lower(), None)
        bare = self.bare(full_name)
        if bare.is_symlink():
            bare.unlink()
        git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(bare))
        self.save(state)

    def change(self, full_name: str, **settings: Any) -> None:
        """Change settings of a repository."""
        state = self.state()
        known(state, full_name).update(only(REPOSITORY, settings))
        self.save(state)

    def rename(self, old: str, new: str, owner_id: int | None = None) -> None:
        """Rename a repository, or transfer it: its id stays, and the old name leads to the new one.

        Its subject prefix has the ids from then on [GitHub docs, actions/reference/security/oidc].
        """
        state = self.state()
        repository = known(state, old)
        state["redirects"][repository["full_name"].lower()] = repository["id"]
        state["redirects"].pop(new.lower(), None)
        before, after = self.bare(repository["full_name"]), self.bare(new)
        after.parent.mkdir(parents=True, exist_ok=True)
        if after.is_symlink():
            after.unlink()
        before.rename(after)
        before.symlink_to(after)
        repository |= {"full_name": new, "classic": False}
        repository["owner_id"] = owner_id or repository["owner_id"]
        self.save(state)

    def delete(self, full_name: str) -> None:
        """Delete a repository with everything that was pushed."""
        state = self.state()
        repository = known(state, full_name)
        del state["repositories"][str(repository["id"])]
        gone = [old for old, number in state["redirects"].items() if number == repository["id"]]
        for old in gone:
            del state["redirects"][old]
        shutil.rmtree(self.bare(repository["full_name"]))
        self.save(state)

    def repository(self, full_name: str) -> dict[str, Any]:
        """Return a repository with all of its settings, also those that gh has changed."""
        repository = known(self.state(), full_name)
        return repository | {"oidc": oidc(repository)}

    def user(self, **settings: Any) -> None:
        """Change who is logged in and what they may; settings are the keys of USER."""
        state = self.state()
        state["user"] |= only(USER, settings)
        self.save(state)

    def environment(self, *, person: bool = True) -> dict[str, str]:
        """Return the variables that let gh, git and aws in a process talk to this GitHub.

        Without `person`, git knows no name for a commit, and guesses none.
        """
        base = f"url.{self.folder.resolve() / 'git'}/.insteadOf"
        config = [(base, PUBLIC), (base, "git@github.com:")]
        if person:
            config += [("user.name", "Somebody"), ("user.email", "somebody@example.com")]
        else:
            config += [("user.useConfigOnly", "true")]
        keys = {f"GIT_CONFIG_KEY_{place}": key for place, (key, _) in enumerate(config)}
        values = {f"GIT_CONFIG_VALUE_{place}": value for place, (_, value) in enumerate(config)}
        return {
            "PATH": f"{ROOT / 'tests/standins/bin'}:{os.environ['PATH']}",
            "HUB": str(self.folder.resolve()),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": str(len(config)),
            **keys,
            **values,
        }

    def calls(self) -> list[str]:
        """Return what was called since the last clear: `gh ...` and `aws ...`, shell-quoted."""
        return (self.folder / "calls.log").read_text().splitlines()

    def clear(self) -> None:
        """Forget the calls."""
        (self.folder / "calls.log").write_text("")

    def refuse_pushes(self, full_name: str, text: str) -> None:
        """Answer each push with a text, and take nothing."""
        hook = self.bare(full_name) / "hooks/pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(text)} >&2\nexit 1\n")
        hook.chmod(0o755)

    def allow_pushes(self, full_name: str) -> None:
        """Take pushes again."""
        (self.bare(full_name) / "hooks/pre-receive").unlink()

    def push(self, full_name: str, files: dict[str, str], message: str = "Somebody else's") -> None:
        """Commit files on main, as somebody else who has a clone."""
        with tempfile.TemporaryDirectory() as folder:
            git("clone", "--quiet", str(self.bare(full_name)), folder)
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            git("-C", folder, "add", "--all")
            person = ("-c", "user.name=Else", "-c", "user.email=else@example.com")
            git("-C", folder, *person, "commit", "--quiet", f"--message={message}")
            git("-C", folder, "push", "--quiet", "origin", "HEAD:refs/heads/main")

    def bare(self, full_name: str) -> Path:
        """Return the folder of a bare repository."""
        return self.folder.resolve() / f"git/{full_name}.git"

    def has(self, repository: dict[str, Any], path: str) -> bool:
        """Return whether a file is on the default branch."""
        bare, ref = self.bare(repository["full_name"]), repository["default_branch"]
        return asked(bare, "cat-file", "-e", f"refs/heads/{ref}:{path}").returncode == 0

    def read(self, repository: dict[str, Any], path: str, ref: str = "") -> str:
        """Return the text of a file at a ref or on the default branch, empty without one."""
        bare = self.bare(repository["full_name"])
        ref = ref or f"refs/heads/{repository['default_branch']}"
        return asked(bare, "show", f"{ref}:{path}").stdout

    def commit(self, repository: dict[str, Any], ref: str) -> tuple[str, str] | None:
        """Return the commit of a ref, and its message; None where there is no such ref."""
        bare = self.bare(repository["full_name"])
        found = asked(bare, "log", "-1", "--format=%H%x00%B", ref, "--").stdout
        return tuple(found.rstrip("\n").split("\0")) if found else None  # type: ignore[return-value]

    def tag(self, repository: dict[str, Any], name: str, target: str) -> None:
        """Make a tag."""
        git(f"--git-dir={self.bare(repository['full_name'])}", "tag", name, target)

    def rename_branch(self, repository: dict[str, Any], old: str, new: str) -> None:
        """Rename a branch; the default branch stays the default one."""
        bare = self.bare(repository["full_name"])
        git(f"--git-dir={bare}", "branch", "-m", old, new)
        if repository["default_branch"] == old:
            git(f"--git-dir={bare}", "symbolic-ref", "HEAD", f"refs/heads/{new}")
            repository["default_branch"] = new

    def state(self) -> dict[str, Any]:
        """Return everything that is known."""
        return json.loads((self.folder / "state.json").read_text())  # type: ignore[no-any-return]

    def save(self, state: dict[str, Any]) -> None:
        """Keep everything that is known."""
        (self.folder / "state.json").write_text(json.dumps(state, indent=2))

    def log(self, *call: str) -> None:
        """Note a call."""
        with (self.folder / "calls.log").open("a") as log:
            log.write(f"{shlex.join(call)}\n")


def only(defaults: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings that exist.

    Raises:
        KeyError: one does not.
    """
    unknown = sorted(settings.keys() - defaults.keys())
    if unknown:
        raise KeyError(f"GitHub has no setting {', '.join(unknown)}")
    return settings


def find(state: dict[str, Any], full_name: str) -> tuple[dict[str, Any] | None, bool]:
    """Return the repository with a name, in any case, and whether the name is an old one."""
    name = full_name.lower()
    for repository in state["repositories"].values():
        if repository["full_name"].lower() == name:
            return repository, False
    return state["repositories"].get(str(state["redirects"].get(name))), True


def known(state: dict[str, Any], full_name: str) -> dict[str, Any]:
    """Return a repository that must be there."""
    repository, _ = find(state, full_name)
    if repository is None:
        raise KeyError(full_name)
    return repository


def oidc(repository: dict[str, Any]) -> Any:
    """Return what GitHub reports about the subjects of a repository's tokens."""
    if repository["oidc"] != "derived":
        return repository["oidc"]
    owner, name = repository["full_name"].split("/")
    ids = (f"@{repository['owner_id']}", f"@{repository['id']}")
    first, second = ("", "") if repository["classic"] else ids
    return {
        "use_default": True,
        "use_immutable_subject": not repository["classic"],
        "sub_claim_prefix": f"repo:{owner}{first}/{name}{second}",
    }


def asked(bare: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask git about a bare repository; this is no call of the project."""
    command = ["git", f"--git-dir={bare}", *arguments]
    unlogged = os.environ | {"HUB": ""}
    return subprocess.run(command, capture_output=True, text=True, env=unlogged)


def git(*arguments: str) -> None:
    """Run git without anybody's configuration."""
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "0"}
    alone["HUB"] = ""  # these are no calls of the project
    subprocess.run(["git", *arguments], check=True, capture_output=True, env=os.environ | alone)
