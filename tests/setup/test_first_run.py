"""Bootstrap from nothing: the whole way, the one question, and every interruption on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.bootstrap import (
    AGAIN,
    APPLY,
    CREATE,
    FIRST,
    IDS,
    KEEP,
    LOCK,
    NAME,
    RELEASE,
    TFVARS,
    allowed,
    readable,
    refused,
    with_a_value_to_write,
)
from tests.support.desk import LIMIT, TOOL, Desk
from tests.support.publishing import RUN, published


def test_a_first_run_does_everything_in_order_and_a_second_one_nothing(desk: Desk) -> None:
    before = desk.files()
    planned = desk.bootstrap("--plan")
    assert (planned.status, desk.changes(), desk.files()) == (0, [], before)
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    readable(ended)
    assert desk.changes() == [CREATE, APPLY, *FIRST, KEEP, RELEASE]
    steps = planned.out.partition(" -  ")[0]
    assert ended.out.startswith(steps)
    assert f"\n    {IDS}\n" in ended.out
    assert ended.out.endswith(
        "\n\n"
        "Role      arn:aws:iam::111122223333:role/example-service-push\n"
        "Registry  111122223333.dkr.ecr.us-east-1.amazonaws.com/example-service\n"
        "Trust     Jobs of octo-org/example-service can assume the role."
        " Anyone who can push a tag v* can\n"
        "          start them.\n"
        "\n"
        "Ctrl-C only stops following: the run continues.\n"
        f"Run       {RUN}\n"
        "          success\n" + published("v0.1.0", desk.git("rev-parse", "HEAD"))
    )
    # Of the files one value of one line is another, and the lock file is new.
    after = desk.files()
    text = before[TFVARS].replace(b'prefix": null', f'prefix": "{IDS}"'.encode())
    assert after == {**before, TFVARS: text}
    assert desk.git("status", "--short") == ""
    assert desk.git("rev-parse", "HEAD") == desk.git("ls-remote", "origin", "refs/heads/main")[:40]
    assert LOCK in desk.git("ls-files")
    trust = desk.emulator.client("iam").get_role(RoleName="example-service-push")["Role"]
    assert f"{IDS}:ref:refs/tags/v*" in str(trust["AssumeRolePolicyDocument"])

    allowed(desk)

    desk.hub.clear()
    again = desk.bootstrap("--yes")
    ran = [call.split()[2] for call in desk.hub.calls() if call.startswith("terraform -chdir")]
    assert ran == ["state", "plan"]  # each takes seconds, and no more is needed to know
    assert (again.status, desk.changes(), desk.files()) == (0, [], after)
    assert "\nNothing to do: everything is in place.\n" in again.out
    assert "To limit this to admins: make bootstrap ARGS=--ruleset" in " ".join(again.out.split())


def test_only_yes_is_a_yes(desk: Desk) -> None:
    interrupted = (
        f"\nInterrupted. No file is half-written. To continue where it stopped:\n  {AGAIN}\n"
    )
    for answer, status, said in (
        ("y", 1, "Nothing was changed.\n"),
        ("\x03", 130, interrupted),
        ("\x04", 1, "Nothing was changed.\n"),
    ):
        ended = desk.typed({'Type "yes" to continue: ': answer}, "bootstrap", "--public")
        assert (ended.status, desk.changes()) == (status, [])
        assert ended.out.startswith(f" 1. create the GitHub repository {NAME}, public and empty\n")
        assert ended.out.endswith(said)


def test_without_a_terminal_it_prints_the_command_that_does_not_ask(desk: Desk) -> None:
    said = refused(desk)
    assert said.endswith(
        "Nothing was changed, because there is no terminal to ask at."
        " To do this without a question:\n"
        '  make bootstrap ARGS="--yes"\n'
    )
    said = refused(desk, "--all", "--public", "--repository", "octo-org/other")
    assert said.endswith(
        '  make bootstrap ARGS="--yes --public --all --repository octo-org/other"\n'
    )


@pytest.mark.parametrize(
    ("shell", "says"), [("<&-", "there is no terminal to ask at"), ("| true", "")]
)
def test_a_closed_input_or_output_causes_no_traceback(desk: Desk, shell: str, says: str) -> None:
    ended = desk.run("bash", "-c", f"{sys.executable} {TOOL} bootstrap {shell}")
    assert says in ended.out
    assert "Traceback" not in ended.out


# The tool, with a Ctrl-C behind each program whose command line holds one of some words.
DRIVER = """
import sys
sys.path.insert(0, ".github")
from keyless import programs
real, known = programs.run, {known!r}

def run(*command, **options):
    done = real(*command, **options)
    if any(word in " ".join(command) for word in known):
        print("INTERRUPTED AFTER", *command[:5], flush=True)
        raise KeyboardInterrupt
    return done

programs.run = run
from keyless.commands import main
sys.exit(main(["bootstrap", "--yes"]))
"""
CUTS = [
    *("gh repo create", "terraform -chdir=infra apply", "git init", "git remote add", "git add"),
    *("git commit", "push --quiet", "release create"),
]


def test_after_any_interruption_it_continues_where_it_stopped(desk: Desk) -> None:
    original = (desk.path / TFVARS).read_bytes()
    noted = original.replace(b'prefix": null', f'prefix": "{IDS}"'.encode())
    for number, cut in enumerate(CUTS):
        desk.hub.clear()
        ended = desk.run(sys.executable, "-c", DRIVER.format(known=[cut]))
        assert ended.status == 130, ended.out
        assert "INTERRUPTED AFTER" in ended.out
        assert (
            f"\nInterrupted. No file is half-written. To continue where it stopped:\n  {AGAIN}\n"
            in ended.out
        )
        assert "It stopped at: " in ended.out
        assert (desk.path / TFVARS).read_bytes() == (noted if number else original)
        left = {path.name for path in (desk.path / "infra").iterdir()}
        assert not left & {"bootstrap_imports.tf", "plan.tfplan", "plan.json"}
        assert not [name for name in left if name.startswith("tmp")]
        assert cut in desk.changes()[-1]
    desk.hub.clear()
    ended = desk.bootstrap("--yes")
    assert (ended.status, desk.changes()) == (0, [])
    assert "Nothing to do: everything is in place." in ended.out
    assert desk.git("log", "--format=%s").splitlines() == ["First commit"]
    assert desk.git("rev-parse", "HEAD") == desk.git("ls-remote", "origin", "refs/heads/main")[:40]


def test_ctrl_c_lets_terraform_write_its_state(ready: Desk, tmp_path: Path) -> None:
    ready.hub.rename(NAME, "octo-org/renamed")  # so that there is something to apply
    began, ended = tmp_path / "began", tmp_path / "ended"
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "terraform").write_text(
        f"""#!/bin/sh
case "$*" in *apply*)
  trap "sleep 1; touch {ended}; exit 1" INT
  touch {began}
  while :; do sleep 0.1; done;;
esac
exec {shutil.which("terraform")} "$@"
"""
    )
    (slow / "terraform").chmod(0o755)
    path = f"{slow}:{ready.environment()['PATH']}"
    command = (sys.executable, TOOL, "bootstrap", "--yes")
    with ready.started(*command, PATH=path) as process:
        wait_for(began, process)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, out
    assert ended.exists()  # it was waited for, though it took a second


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a running process has made a file, however busy the machine is."""
    deadline = time.monotonic() + LIMIT
    while not file.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{file.name} has not come"
        time.sleep(0.05)


def test_files_that_a_killed_run_left_are_removed(desk: Desk) -> None:
    (desk.path / "infra/bootstrap_imports.tf").write_text("import {\n")
    assert desk.bootstrap("--plan").status == 0
    assert not (desk.path / "infra/bootstrap_imports.tf").exists()


def test_a_plan_file_of_somebody_is_left_alone(ready: Desk) -> None:
    files = [ready.path / "infra" / name for name in ("plan.tfplan", "plan.json")]
    for file in files:
        file.write_text("mine\n")
    assert ready.bootstrap("--plan").status == 0
    assert ready.doctor().status == 0
    assert [file.read_text() for file in files] == ["mine\n"] * 2


def test_an_edit_made_while_it_asks_is_not_overwritten(ready: Desk) -> None:
    with_a_value_to_write(ready)
    code = (
        "import sys, types, builtins; sys.path.insert(0, '.github')\n"
        "from keyless.commands import main\n"
        f"def edit(question): open('{TFVARS}', 'a').write('\\n'); return 'yes'\n"
        "sys.stdin = types.SimpleNamespace(isatty=lambda: True); builtins.input = edit\n"
        "sys.exit(main(['bootstrap']))"
    )
    ended = ready.run(sys.executable, "-c", code)
    assert ended.status == 1
    assert f"{TFVARS} was edited in the meantime, so it was not overwritten." in ended.out
    assert (ready.project.tfvars["create_oidc_provider"], ready.changes()) == (False, [])


def test_nothing_but_the_standard_library_is_imported(desk: Desk) -> None:
    code = (
        "import sys; sys.path.insert(0, '.github')\n"
        "from keyless.setup import bootstrap, caller, destroy, doctor, entries, fetch, release\n"
        "names = {name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(names - {'__main__', 'keyless'}))"
    )
    ended = desk.run(sys.executable, "-S", "-c", code)
    assert ended.out == "[]\n"
