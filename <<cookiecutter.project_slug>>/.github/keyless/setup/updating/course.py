"""The second half of an update: render, merge, judge, say what it means, ask, and commit."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from keyless.console import Problem, wrapped
from keyless.paths import ANSWERS, TOOL
from keyless.programs import run
from keyless.setup.updating import applying, merging, questions, report, staying
from keyless.setup.updating.choosing import Choice, changelog
from keyless.setup.updating.merging import Merge
from keyless.setup.updating.record import ADDRESS, Record, read_record
from keyless.setup.updating.rendering import Existing, Render, files_of
from keyless.setup.updating.repository import ask, git
from keyless.setup.updating.template import Template

NEW_ON_GITHUB = {".gitignore", "LICENSE", "README.md"}  # what GitHub puts into a new repository
CHECK_GREEN = 0


class Course:
    """One update or change, from what was asked to the commit."""

    def __init__(self, given: dict[str, Any]) -> None:
        """Take what the first half has found out."""
        self.given = given
        self.root, self.folder = Path(given["root"]), Path(given["folder"])
        template = Template(Path(given["template"]), given["source"])
        current, target = given["current"], given["target"]
        versions = (template.version(each) for each in (current, target))
        self.choice = Choice(template, current, next(versions), target, next(versions))
        self.record = read_record(self.root)
        self.existing = existing_before(self.root, self.record)
        self.changed: dict[str, str] = dict(given["answers"])

    def run(self) -> int:
        """Do it all.

        Returns:
            0 where it is done, or there is nothing to do; 1 where nobody agreed, with conflicts, or
            with findings.

        Raises:
            Problem: it cannot be done; nothing was changed then.
        """
        known = applying.committer(self.root)
        print("Rendering the template and merging it with your edits ...", flush=True)
        old, new = self._render()
        clone = merging.clone_of(self.root, self.folder / "project")
        merged = merging.merge(clone, old, new, self._title(), known)
        if not merged.commit:
            print("Nothing changes: the project already has everything from the template.")
            return 0
        if not merged.conflicts:
            merged = self._write_services(merged, known)
        print("Finding out what that means. Nothing has been changed yet ...\n", flush=True)
        meaning, lost = self._judge(merged)
        return self._ask_and_apply(merged, meaning, lost, known)

    # Rendering

    def _render(self) -> tuple[dict[str, Path], dict[str, Path]]:
        """Return the files of both renders, by path."""
        template, python = self.choice.template, sys.executable
        before = template.check_out(self.choice.current, self.folder / "then")
        after = before
        if self.choice.target != self.choice.current:
            after = self.folder / "new"  # the tool that runs may be the one from there
            if not after.is_dir():
                template.check_out(self.choice.target, after)
        questions.refuse_unknown(self.changed, questions.asked_by(after))
        answers = self.record.answers
        wanted = {**answers, **self.changed}
        with (
            Render(python, before, answers, self.existing, self.folder / "old") as one,
            Render(python, after, wanted, self.existing, self.folder / "rendered") as other,
        ):
            old, new = one.project(), other.project()
        asked = read_record(new).answers
        further = {key: asked[key] for key in asked if key not in {*answers, *self.changed}}
        typed = questions.ask_new(after, further, self.given["yes"])
        if typed:
            self.changed |= typed
            wanted |= typed
            out = self.folder / "again"
            with Render(python, after, wanted, self.existing, out) as other:
                new = other.project()
        self._complete_record(new)
        return files_of(old, self.existing), files_of(new, self.existing)

    def _complete_record(self, render: Path) -> None:
        """Record the template also where an older one does not do that by itself."""
        text = (render / ANSWERS).read_text(encoding="utf-8")
        whole = json.loads(text)
        if "template" in whole:
            return
        source = self.choice.template.source
        whole["template"] = {
            "source": source if ADDRESS.fullmatch(source) else None,
            "version": self.choice.target_version or None,
            "commit": self.choice.target,
        }
        if self.existing.kind and self.record.version:
            existing = {"kind": self.existing.kind, "kept": list(self.existing.names)}
            whole["template"]["existing"] = existing
        (render / ANSWERS).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")

    def _write_services(self, merged: Merge, known: dict[str, str]) -> Merge:
        """Write services/ again with the new tool, where the project has written it."""
        clone = merged.clone
        if not (clone / "services").is_dir():
            return merged
        done = run(sys.executable, "-B", TOOL, "outputs", root=clone)
        if done.status:
            merged.left.append(f"services/ cannot be written again: {done.said}")
            return merged
        listed = git(clone, "status", "--porcelain", "-z", "--", "services").out.split("\0")
        paths = [line[3:] for line in listed if line and line[1] != " "]
        if not paths:
            return merged
        merged = merging.again(merged, paths, known)
        ask(clone, "services/ cannot be added", "add", "--", *paths)
        return merged

    # What it means

    def _judge(self, merged: Merge) -> tuple[report.Meaning, list[str]]:
        """Return what the result means, and what would be destroyed in AWS."""
        if merged.conflicts:
            text = "That is unknown until you resolve the conflicts. Then type make check and make"
            return report.Meaning([f"{text} plan."], [], ""), []
        from keyless.setup.updating import in_aws
        from keyless.setup.updating.meaning import differences, with_what_stays

        before = self.folder / "before"
        ask(merged.clone, "The last commit cannot be checked out", *_worktree(before))
        providers = self.root / "infra/.terraform/providers"
        plan = in_aws.planned(before, merged.clone, providers if providers.is_dir() else None)
        lines = [plan.unknown] if plan.unknown else plan.lines
        if not plan.unknown and lines not in ([in_aws.NOTHING], [in_aws.ELSEWHERE]):
            lines = [f"In AWS: {line}" for line in lines]
        done = run(sys.executable, "-B", TOOL, "check", root=merged.clone)
        self.green = done.status == CHECK_GREEN
        return report.Meaning(
            with_what_stays(differences(before, merged.clone, planned=True)), lines, done.said
        ), plan.lost

    # Asking and doing

    def _ask_and_apply(
        self, merged: Merge, meaning: report.Meaning, lost: list[str], known: dict[str, str]
    ) -> int:
        new = changelog(self.choice) if not self.given["change"] else ""
        self._print(merged, meaning, new)
        if lost and not self.given["change"]:
            raise Problem(
                f"This update would destroy or replace {', '.join(lost)}, so it stops. Nothing was"
                " changed. Report this to the authors of the template."
            )
        branch = applying.free_branch(self.root, self._branch())
        title = self._title()
        origin = f"Template: {self.choice.template.source}, commit {self.choice.target}"
        message = report.message(title, merged, meaning, new, origin)
        merged = merging.with_message(merged, message, known)
        applying.require_free(self.root, merged)
        text = f"This makes one commit on the new branch {branch}"
        text += ", after you have resolved the conflicts" * bool(merged.conflicts)
        text += ". Nothing is pushed, and nothing changes in AWS."
        print(f"\n{wrapped(text)}")
        if not questions.is_granted(self.given["yes"], self.given["command_with_yes"]):
            return 1
        applying.require_same(self.root, merged, self.given["command"])
        back = applying.way_back(self.root)
        conflicts = applying.apply(self.root, merged, branch)
        return self._say_done(conflicts, branch, back)

    def _print(self, merged: Merge, meaning: report.Meaning, new: str) -> None:
        print(f"{self._title()}.")
        if self.record.edited:
            print(
                wrapped(
                    "The project was generated from a template with uncommitted edits. Here these"
                    " edits look like your own."
                )
            )
        if new:
            print(f"\nWhat is new:\n\n{new}")
        for line in staying.explained(self.record.answers, self.changed):
            print(f"\n{wrapped(line)}")
        report.print_files(merged)
        report.print_meaning(meaning)

    def _title(self) -> str:
        if self.given["change"]:
            pairs = (f"{key} to {value or 'none'}" for key, value in self.changed.items())
            return f"Change {', '.join(pairs)}"
        older = self.choice.template.contains(self.choice.current, self.choice.target)
        verb = "Go back" if older else "Update"
        return f"{verb} from template {self.choice.current_name} to {self.choice.target_name}"

    def _branch(self) -> str:
        if self.given["change"]:
            return f"keyless/change-{'-'.join(self.changed)}"
        version = self.choice.target_version
        known = version and version != self.choice.current_version
        return f"keyless/update-{version if known else self.choice.target[:12]}"

    def _say_done(self, conflicts: list[merging.Conflict], branch: str, back: list[str]) -> int:
        if not conflicts:
            print(f"\nCommitted on {branch}. Review the commit, push it, and open a pull request:")
            print(f"  git show\n  git push --set-upstream origin {branch}\n  gh pr create --fill")
            if not self.green:
                print("\nThe check has findings in the result. Correct them on this branch:")
                print("  make check")
            return int(not self.green)
        several = f"{len(conflicts)} files have" if len(conflicts) > 1 else "One file has"
        print(f"\n{several} conflicts on {branch}. Edit them, or git rm a file. Then type:")
        print(f"  git add -- {' '.join(shlex.quote(one.path) for one in conflicts)}")
        print("  git cherry-pick --continue\n  make check")
        if (self.root / "services").is_dir():
            print("  python3 .github/keyless outputs")
        print("\nTo cancel the update and restore everything:")
        print(f"  git cherry-pick --abort && git {shlex.join(back)} && git branch -D {branch}")
        return 1


def _worktree(folder: Path) -> tuple[str, ...]:
    return ("worktree", "add", "--quiet", "--detach", str(folder), "HEAD")


def existing_before(root: Path, record: Record) -> Existing:
    """Return what was in the folder that the project was added to.

    Where the record does not know it, Git does: what the commit held before the one that brought
    the record.
    """
    if record.version:
        return Existing(record.kind, tuple(record.kept))
    added = git(root, "log", "--diff-filter=A", "--format=%H", "--", ANSWERS).out.split()
    before = git(root, "ls-tree", "-r", "-z", "--name-only", f"{added[-1]}^") if added else None
    names = [name for name in before.out.split("\0") if name] if before else []
    if not names:
        return Existing()
    foreign = [name for name in names if name.split("/")[0] not in NEW_ON_GITHUB]
    return Existing("adopted" if foreign else "started", tuple(names))
