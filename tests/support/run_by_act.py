"""A run of deploy.yml on the GitHub of hub.py that act does: the `runner` of a course (gh_runs.py).

It is a program of its own, which gh starts, so that the GitHub of the desk loads nothing slow.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def command(endpoint: str, account: str, region: str, repository: Path, name: str) -> list[str]:
    """Return the command that gh_runs.py completes with event and ref.

    Args:
        endpoint: of the emulated AWS.
        account: that it emulates.
        region: the one of the project.
        repository: the bare one on GitHub.
        name: OWNER/NAME.
    """
    apart = ["env", "-u", "HUB", f"PATH={os.environ['PATH']}"]  # no call of the project
    script = [sys.executable, "-B", str(Path(__file__).resolve())]
    return [*apart, *script, endpoint, account, region, str(repository), name]


def main(words: list[str]) -> None:
    """Run deploy.yml, and print conclusion and log as a course has them."""
    from tests.standins import github, runner
    from tests.standins.emulator import Emulator

    endpoint, account, region, folder, name, event, ref = words
    done = runner.run(
        Path(folder),
        Emulator(endpoint, account, region),
        event=event,
        ref=ref,
        repository=github.Repository(name),
    )
    ended = ["failed"] * bool(done.status)
    log = [["deploy.yml", line, *ended] for line in done.log.splitlines()]
    print(json.dumps({"conclusion": "failure" if done.status else "success", "log": log}))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(sys.argv[1:])
