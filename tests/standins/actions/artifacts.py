"""Hand files from job to job, as actions/upload-artifact and actions/download-artifact do.

The artifacts of a run are folders in STAND_IN_ARTIFACTS, which a re-run of it finds again.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import sys
from pathlib import Path

from tests.standins.actions import step

UPLOAD = (
    *("name", "path", "if-no-files-found", "overwrite"),
    *("compression-level", "retention-days", "archive"),  # they change nothing here
)
DOWNLOAD = (
    *("name", "path", "pattern", "merge-multiple"),
    *("repository", "run-id", "digest-mismatch"),  # they change nothing without a token
)
FORBIDDEN = '":<>|*?\r\n\\/'  # in an artifact's name (its README, "Invalid characters")


def stored() -> Path:
    """Return the folder that holds the artifacts of this run."""
    folder = Path(os.environ["STAND_IN_ARTIFACTS"], os.environ["GITHUB_RUN_ID"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def upload() -> None:
    """Keep a folder or a file under a name. A name is used once in a run, or it is overwritten."""
    given = step.inputs()
    step.only("actions/upload-artifact", given, *UPLOAD)
    if set(given["name"]) & set(FORBIDDEN):
        step.fail(f"The artifact name is not valid: {given['name']}.")
    days = given["retention-days"]
    if days and not 1 <= int(days) <= 90:
        step.fail("Retention days must be between 1 and 90")
    path = Path(os.environ["GITHUB_WORKSPACE"], given["path"])
    shown = (one for one in path.rglob("*") if one.is_file() and not one.name.startswith("."))
    files = [path] if path.is_file() else [*shown]
    if not files:
        message = f"No files were found with the provided path: {given['path']}."
        message += " No artifacts will be uploaded."
        if given["if-no-files-found"] == "error":
            step.fail(message)
        print(f"::warning::{message}" if given["if-no-files-found"] == "warn" else message)
        return
    target = stored() / given["name"]
    if target.exists():
        if not step.is_true(given, "overwrite"):
            step.fail(
                "Failed to CreateArtifact: Received non-retryable error: Failed request: (409)"
                " Conflict: an artifact with this name already exists on the workflow run"
            )
        shutil.rmtree(target)
    root = path.parent if path.is_file() else path
    for file in files:
        place = target / file.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    print(f"Artifact {given['name']} has been successfully uploaded!", flush=True)


def download() -> None:
    """Put artifacts of the run into a folder: one by its name, or each into a folder of its own."""
    given = step.inputs()
    step.only("actions/download-artifact", given, *DOWNLOAD)
    folder = Path(os.environ["GITHUB_WORKSPACE"], given["path"])
    there = sorted(one.name for one in stored().iterdir())
    if given["name"]:
        if given["name"] not in there:
            step.fail(
                f"Unable to download artifact(s): Artifact not found for name: {given['name']}"
            )
        names = [given["name"]]
    else:
        names = [one for one in there if fnmatch.fnmatchcase(one, given["pattern"] or "*")]
    together = bool(given["name"]) or step.is_true(given, "merge-multiple")
    for name in names:
        target = folder if together else folder / name
        shutil.copytree(stored() / name, target, dirs_exist_ok=True)
    print(f"Total of {len(names)} artifact(s) downloaded", flush=True)
    step.output("download-path", str(folder))


if __name__ == "__main__":
    {"upload": upload, "download": download}[sys.argv[1]]()
