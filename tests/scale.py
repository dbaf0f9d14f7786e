"""How long Terraform takes for many repositories, compared with the same resources by hand.

    make bench [ARGS="1 10 100 300"]     other sizes

Each size is planned for an empty account, applied, and planned again, all against the emulator,
first by hand and then in infra/. The ratio of the plans at one size is judged, each the better of
two.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.standins.emulator import ROOT, emulated_aws
from tests.support.project import Project, generate

SIZES = (1, 10, 100, 300)
ALONE = 1000
SIZE = 300  # entries of one state, as `make add` splits them
JUDGED, ALLOWED = 300, 1 / 3  # at this size, the limit of the ratio of both plans


def entries(count: int) -> dict[str, Any]:
    """Return the entries of so many repositories, each with a name and ids of its own."""
    return {
        f"service-{n:04}": {
            "github_repository": f"octo-org/service-{n:04}",
            "subject_prefix": f"repo:octo-org@123456/service-{n:04}@{500000 + n}",
            "refs": ["refs/tags/v*"],
            "environment": None,
            "ecr_repository": f"service-{n:04}",
            "role_name": f"service-{n:04}-push",
        }
        for n in range(count)
    }


def fill(project: Project, count: int) -> None:
    """Write so many entries into a project's values."""
    path = project.path / "infra/terraform.tfvars.json"
    values = {**json.loads(path.read_text()), "repositories": entries(count)}
    path.write_text(json.dumps(values, indent=2) + "\n")


def measured(project: Project, count: int, folder: Path, *, whole: bool) -> dict[str, float]:
    """Return the seconds of a first plan, and with `whole` of the apply and of a second plan."""
    fill(project, count)
    found = {}
    log = folder / "emulator.log"
    with emulated_aws("111122223333", "us-east-1", log) as emulator:
        for name in ("plan", "apply", "plan again") if whole else ("plan",):
            verb = ("apply", "-auto-approve") if name == "apply" else ("plan",)
            start = time.perf_counter()
            project.terraform(*verb, "-input=false", emulator=emulator)
            found[name] = time.perf_counter() - start
    for left in (project.path / "infra").glob("terraform.tfstate*"):
        left.unlink()
    return found


def main() -> int:
    """Print the measured times; return 1 if infra/ takes longer than the limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = generate(folder, [])
        hand = Project(shutil.copytree(ours.path, folder / "hand"))
        shutil.rmtree(hand.path / "infra")
        shutil.copytree(ROOT / "tests/infra/handwritten", hand.path / "infra")
        shutil.copy(ours.path / "infra/terraform.tfvars.json", hand.path / "infra")
        for project in (ours, hand):
            project.terraform("init", "-input=false")
        ratio = 0.0
        print(f"{'repositories':>12}  {'':<10}  {'by hand':>8}  {'infra/':>8}  ratio")
        for count in options.sizes or SIZES:
            by_hand, own = (measured(one, count, folder, whole=True) for one in (hand, ours))
            if count == JUDGED:  # the better of two, each
                for one, found in ((hand, by_hand), (ours, own)):
                    again = measured(one, count, folder, whole=False)["plan"]
                    found["plan"] = min(found["plan"], again)
            for step, seconds in by_hand.items():
                part = own[step] / seconds
                print(
                    f"{count:>12}  {step:<10}  {seconds:>6.1f} s  {own[step]:>6.1f} s  {part:.2f}"
                )
                ratio = part if (count, step) == (JUDGED, "plan") else ratio
            sys.stdout.flush()
        if not options.sizes:
            seconds = measured(ours, ALONE, folder, whole=False)["plan"]
            print(f"{ALONE:>12}  {'plan':<10}  {'':>8}  {seconds:>6.1f} s")
            parts = [min(SIZE, ALONE - start) for start in range(0, ALONE, SIZE)]
            plans = (measured(ours, part, folder, whole=False)["plan"] for part in parts)
            print(f"{ALONE:>12}  in {len(parts)} states {'':>8}  {sum(plans):>6.1f} s")
    if ratio:
        print(f"plan for {JUDGED}: {ratio:.2f} of the time by hand, limit {ALLOWED:.2f}")
    return int(ratio > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
