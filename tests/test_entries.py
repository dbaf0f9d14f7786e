"""Entries of many repositories in one infra/: added, removed and moved, all or nothing.

GitHub is tests/hub.py, AWS the emulator; Terraform and git are the real ones.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Copy, Script
from tests.desk import Account, Desk, Ended
from tests.emulator import Emulator, emulated_aws
from tests.hub import Hub
from tests.project import Project

TFVARS = "infra/terraform.tfvars.json"
SECOND = "infra/repositories-2.tfvars.json"
CALLED = "octo-org/example-service/.github/workflows/publish-image.yml@refs/tags/publish-v1"


def entries(desk: Desk, *arguments: str) -> Ended:
    """Run scripts/entries.py."""
    return desk.run(sys.executable, "scripts/entries.py", *arguments)


def refused(desk: Desk, *arguments: str) -> list[str]:
    """Run scripts/entries.py, which must write nothing; return the lines that it prints."""
    before = desk.files()
    ended = entries(desk, *arguments)
    assert ended.status == 1, ended.out
    assert desk.files() == before
    assert "Traceback" not in ended.out
    return ended.out.splitlines()


def keys(desk: Desk, path: str = TFVARS) -> list[str]:
    """Return the keys of the entries of a file, in their order."""
    return list(json.loads((desk.path / path).read_text())["repositories"])


@pytest.fixture
def github(copy: Copy, tmp_path: Path) -> Desk:
    """A desk with a fresh project and three further repositories on GitHub; AWS is not asked."""
    hub = Hub(tmp_path / "hub")
    for number, name in enumerate(("example-service", "Zebra", "api", "web"), 456789):
        hub.create(f"octo-org/{name}", repository_id=number)
    return Desk(copy(), Emulator("http://127.0.0.1:9", "111122223333", "us-east-1"), hub)


# Adding


def test_an_entry_is_added_as_a_few_lines_at_its_place(github: Desk) -> None:
    github.git("init", "--quiet")
    github.git("add", "--all")
    github.git("commit", "--quiet", "--message=before")
    ended = entries(github, "add", "octo-org/api")
    assert ended.status == 0, ended.out
    assert "api                      trusts repo:octo-org@123456/api@456791 for refs/tags/v*\n" in (
        ended.out
    )
    assert github.git("diff", "--unified=0", "--", TFVARS).splitlines()[4:] == [
        "@@ -5,0 +6,8 @@",
        '+    "api": {',
        '+      "github_repository": "octo-org/api",',
        '+      "subject_prefix": "repo:octo-org@123456/api@456791",',
        '+      "refs": ["refs/tags/v*"],',
        '+      "environment": null,',
        '+      "ecr_repository": "api",',
        '+      "role_name": "api-push"',
        "+    },",
    ]
    # The name is GitHub's, whatever was typed, and what is there already stays.
    again = entries(github, "add", "OCTO-ORG/zebra", "octo-org/API", "octo-org/web")
    assert again.status == 0, again.out
    assert "There already: api\n" in again.out
    assert keys(github) == ["api", "example-service", "web", "zebra"]
    values = json.loads((github.path / TFVARS).read_text())["repositories"]
    assert values["zebra"]["github_repository"] == "octo-org/Zebra"
    assert github.run(sys.executable, "scripts/check.py").status == 0


def test_an_entry_that_is_there_is_changed_by_what_is_asked_for(github: Desk) -> None:
    assert entries(github, "add", "octo-org/api").status == 0
    ended = entries(github, "add", "octo-org/api", "octo-org/web", "--ref", "refs/heads/main")
    assert ended.status == 0, ended.out
    assert "\nChanged as said: api\n" in ended.out
    assert "There already" not in ended.out
    values = json.loads((github.path / TFVARS).read_text())["repositories"]
    assert values["api"]["refs"] == values["web"]["refs"] == ["refs/heads/main"]
    said = refused(github, "add", "octo-org/api", "--environment", "a*")
    assert said[0].startswith("api: environment 'a*' does not name one environment")


def test_a_file_of_somebody_else_in_services_is_left_alone(github: Desk) -> None:
    (github.path / "services").mkdir()
    (github.path / "services/api.json").write_text('{"mine": true}')
    said = refused(github, "add", "octo-org/api")
    assert said[0] == "services/api.json is not from here, so nothing was written. Move it away."
    assert entries(github, "add", "octo-org/web").status == 0
    assert (github.path / "services/api.json").read_text() == '{"mine": true}'
    assert entries(github, "outputs").status == 0
    shutil.rmtree(github.path / "services")
    (github.path / "services").touch()
    said = refused(github, "add", "octo-org/api")
    assert said[0].startswith("This machine refuses: ")


def test_line_ends_links_and_marks_of_others_stay(github: Desk) -> None:
    path, real = github.path / TFVARS, github.path / "infra/values.json"
    values = json.loads(path.read_text())
    own = values["repositories"]["example-service"]
    values["repositories"]["w\u00e9b"] = {**own, "role_name": "web", "ecr_repository": "web"}
    text = json.dumps(values, indent=2, ensure_ascii=False).replace("\n", "\r\n") + "\r\n"
    real.write_bytes(text.encode())
    path.unlink()
    path.symlink_to("values.json")
    (github.path / "list.txt").write_bytes(b"\xef\xbb\xbfocto-org/api\r\n")  # of PowerShell
    ended = entries(github, "add", "--file", "list.txt")
    assert ended.status == 0, ended.out
    assert path.is_symlink()
    after = real.read_bytes().decode()
    assert after.count("\r\n") == after.count("\n") > 20
    assert '    "w\u00e9b": {\r\n' in after


def test_one_of_several_entries_of_a_repository_is_removed_by_its_key(github: Desk) -> None:
    values = json.loads((github.path / TFVARS).read_text())
    own = values["repositories"]["example-service"]
    for key in ("worker", "web"):
        name = {"github_repository": "octo-org/web", "ecr_repository": key, "role_name": key}
        values["repositories"][key] = {**own, **name}
    (github.path / TFVARS).write_text(json.dumps(values))
    said = refused(github, "remove", "octo-org/web")
    assert said == [
        "octo-org/web has several entries; name one by its key:",
        "  make remove REPO=worker",
        "  make remove REPO=web",
    ]


def test_nobody_reads_to_the_end(github: Desk) -> None:
    command = f"{sys.executable} scripts/entries.py add octo-org/api 2>&1 | head -n 0"
    assert github.run("sh", "-c", command).out == ""


def test_where_infra_was_rewritten_the_entry_is_added_and_the_rest_told(github: Desk) -> None:
    trust = github.path / "infra/repository/trust.tf"
    trust.write_text(trust.read_text().replace('endswith(subject, "*")', 'endswith(subject, "x")'))
    ended = entries(github, "add", "octo-org/api")
    assert ended.status == 0, ended.out
    assert "services/ is not written: infra/repository/trust.tf:1: it was rewritten" in ended.out
    assert keys(github) == ["api", "example-service"]
    assert not (github.path / "services").exists()


def test_a_list_may_have_remarks_and_options_are_for_all_of_it(github: Desk) -> None:
    (github.path / "list.txt").write_text(
        "# services\n\n  octo-org/web  # the front\nocto-org/api\n"
    )
    options = ("--ref", "refs/heads/main", "--environment", "production")
    ended = entries(github, "add", "--file", "list.txt", *options)
    assert ended.status == 0, ended.out
    values = json.loads((github.path / TFVARS).read_text())["repositories"]
    assert [values[key]["refs"] for key in ("api", "web")] == [["refs/heads/main"]] * 2
    assert [values[key]["environment"] for key in ("api", "web")] == ["production"] * 2
    assert values["example-service"]["refs"] == ["refs/tags/v*"]


def test_two_repositories_of_one_name_get_keys_of_their_own(github: Desk) -> None:
    github.hub.create("octo-org-2/api", repository_id=9)
    assert entries(github, "add", "octo-org/api").status == 0
    said, nothing, *_ = refused(github, "add", "octo-org-2/api")
    assert said == (
        "octo-org-2/api would be 'api', as is octo-org/api: "
        'make add REPO=octo-org-2/api ARGS="--key octo-org-2-api"'
    )
    assert nothing == "Nothing was written: 1 of 1 cannot be added."
    assert entries(github, "add", "octo-org-2/api", "--key", "octo-org-2-api").status == 0
    assert keys(github) == ["api", "example-service", "octo-org-2-api"]


# What the list says, and the lines that are printed: each wrong line is told in one.
BAD_LISTS: dict[str, tuple[list[str], list[str]]] = {
    "no name": (
        ["octo-org/api", "example", "octo org/web"],
        [
            "list.txt:2: 'example' is not OWNER/NAME, as GitHub shows it",
            "list.txt:3: 'octo org/web' is not OWNER/NAME, as GitHub shows it",
        ],
    ),
    "template syntax": (
        ["octo-org/${x}", "octo-org/%{if}", "octo-org/a\U0001f680", "a/b/c"],
        [
            "list.txt:1: 'octo-org/${x}' is not OWNER/NAME, as GitHub shows it",
            "list.txt:2: 'octo-org/%{if}' is not OWNER/NAME, as GitHub shows it",
            "list.txt:3: 'octo-org/a\\U0001f680' is not OWNER/NAME, as GitHub shows it",
            "list.txt:4: 'a/b/c' is not OWNER/NAME, as GitHub shows it",
        ],
    ),
    "duplicates": (
        ["octo-org/api", "octo-org/web", "octo-org/api"],
        ["list.txt:3: octo-org/api stands in line 1, too"],
    ),
    "another case": (
        ["octo-org/api", "Octo-Org/API"],
        ["list.txt:2: Octo-Org/API stands in line 1 as octo-org/api, too"],
    ),
    "nobody knows it": (
        ["octo-org/api", "octo-org/no-api", "octo-org/none"],
        [
            "list.txt:2: GitHub shows no repository octo-org/no-api: gh repo view octo-org/no-api",
            "list.txt:3: GitHub shows no repository octo-org/none: gh repo view octo-org/none",
            "Nothing was written: 2 of 3 cannot be added.",
        ],
    ),
    "one role": (
        [f"octo-org/{'a' * 58}-one", f"octo-org/{'a' * 58}-two"],
        [
            f"list.txt:2: octo-org/{'a' * 58}-two: its role_name {'a' * 58}--push is that of"
            f" '{'a' * 58}-one', too: make add REPO=octo-org/{'a' * 58}-two"
            ' ARGS="--key KEY"',
            "Nothing was written: 1 of 2 cannot be added.",
        ],
    ),
    "an older name": (
        ["octo-org/moved", "octo-org/web"],
        [
            "list.txt:2: octo-org/web is an older name of octo-org/moved, as is octo-org/moved",
            "Nothing was written: 1 of 2 cannot be added.",
        ],
    ),
    "a name that ECR does not take": (
        ["octo-org/.github"],
        [
            "list.txt:1: octo-org/.github: ecr_repository '.github' is no name that ECR takes;"
            " write it in lower case",
            "Nothing was written: 1 of 1 cannot be added.",
        ],
    ),
    "archived": (
        ["octo-org/old"],
        [
            "list.txt:1: octo-org/old is archived, so nothing is published from it",
            "Nothing was written: 1 of 1 cannot be added.",
        ],
    ),
    "customised": (
        ["octo-org/custom"],
        [
            "list.txt:1: The subject of octo-org/custom was customised: it holds repository_id, not"
            " repository and context. A role that trusts repository and ref could not be assumed."
            " This undoes it, for this repository alone; ask first who needs it: gh api --method"
            " PUT repos/octo-org/custom/actions/oidc/customization/sub -F use_default=true",
            "Nothing was written: 1 of 1 cannot be added.",
        ],
    ),
    "a stranger's": (
        ["facebook/react"],
        [
            "list.txt:1: facebook/react belongs to nobody who has an entry here, and you may not"
            " push to it: gh repo view facebook/react",
            "Nothing was written: 1 of 1 cannot be added.",
        ],
    ),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_each_bad_line_of_a_list_is_told_in_one_line_and_nothing_is_written(
    github: Desk, name: str
) -> None:
    lines, said = BAD_LISTS[name]
    if name == "one role":
        for number, line in enumerate(lines, 1):
            github.hub.create(line, repository_id=number)
    if name == "an older name":
        github.hub.rename("octo-org/web", "octo-org/moved")
    if name == "customised":
        oidc = {"use_default": False, "include_claim_keys": ["repository_id"]}
        github.hub.create("octo-org/custom", repository_id=5, oidc=oidc)
    github.hub.create("octo-org/old", repository_id=6, archived=True)
    github.hub.create("octo-org/.github", repository_id=7)
    github.hub.create("facebook/react", repository_id=8, permissions={"pull": True})
    (github.path / "list.txt").write_text("\n".join(lines))
    printed = refused(github, "add", "--file", "list.txt")
    assert printed[: len(said)] == said
    assert len([line for line in printed if line.startswith("list.txt:")]) == len(
        [line for line in said if line.startswith("list.txt:")]
    )


def test_a_list_is_longer_than_an_account_or_an_hour_of_github_before_anything_is_asked(
    github: Desk,
) -> None:
    (github.path / "list.txt").write_text("\n".join(f"octo-org/r{n}" for n in range(10_000)))
    words = " ".join(refused(github, "add", "--file", "list.txt"))
    assert words.startswith("That would be 10,001 entries, each with a role, and of the IAM quota")
    assert "'Roles per account' an account has 1,000, and 10,000 at most." in words
    (github.path / "list.txt").write_text("\n".join(f"octo-org/r{n}" for n in range(2_001)))
    words = " ".join(refused(github, "add", "--file", "list.txt"))
    assert words.startswith("That is 2,001 at a time, and GitHub is asked twice for each")
    assert github.hub.calls() == []


MIXED = ("--ref", "refs/heads/main", "--ref", "refs/tags/v*")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add",), "No repository was named."),
        (("add", "--file", "nowhere.txt"), "There is no file nowhere.txt."),
        (
            ("add", "octo-org/api", "--calls", "refs/tags/v1"),
            "refs/tags/v1 is a version of this repository: to push it publishes an image",
        ),
        (
            ("add", "octo-org/example-service", "--calls", "refs/heads/main"),
            "This repository's own deploy.yml publishes it.",
        ),
        (
            ("add", "octo-org/api", "--calls", "refs/heads/main", *MIXED),
            "octo-org/api: refs are tags and branches, and one caller has one kind of version",
        ),
        (
            ("add", "octo-org/api", "octo-org/web", "--key", "one"),
            "--key and --registry are for one",
        ),
        (
            ("add", "octo-org/api", "--ref", "main"),
            "octo-org/api: refs 'main' is not refs/heads/NAME",
        ),
        (
            ("add", "octo-org/api", "--environment", "*"),
            "octo-org/api: environment '*' does not name",
        ),
        (("add", "octo-org/api", "--calls", "v1"), "'v1' is not refs/tags/NAME or refs/heads/NAME"),
        (("add", "octo-org/api", "--key", "../api"), "'../api' is no key, which names a file in"),
        (("remove", "octo-org/nobody"), "There is no entry for octo-org/nobody."),
        (("remove", "octo-org/example-service"), "example-service is this repository's own entry."),
        (("move", "nobody", SECOND), "There is no entry 'nobody'."),
        (("move", "example-service", "infra/x.json"), "'infra/x.json' is no file of entries."),
        (("move", "example-service", TFVARS), f"example-service stands in {TFVARS} already."),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_told_before_anything_is_written(
    github: Desk, arguments: tuple[str, ...], said: str
) -> None:
    assert refused(github, *arguments)[0].startswith(said)


def test_without_github_nothing_is_written(github: Desk) -> None:
    github.hub.user(logged_in=False)
    assert "GitHub does not know who you are" in refused(github, "add", "octo-org/api")[0]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1,\r\n  "repositories": {\r\n    "m": {"x": 1}\r\n  },\r\n "b": 2}\r\n',
        '{"repositories": {"m": {"x": "}{\\""}}, "a": [1, {"repositories": {}}]}',
        '{\n  "repositories": {\n  }\n}\n',
    ],
    ids=["carriage returns", "one line", "empty"],
)
def test_entries_come_and_go_and_all_else_is_kept(script: Script, text: str) -> None:
    module, old = script("entries"), json.loads(text)
    new = {"a": {"x": 2}, "z": {"y": ["v*"]}}
    full = module.with_entries(text, new)
    assert json.loads(full) == {**old, "repositories": {**old["repositories"], **new}}
    assert list(json.loads(full)["repositories"]) == sorted({**old["repositories"], **new})
    assert ("\r\n" in full) == ("\r\n" in text)
    assert "\r\n" not in full or "\n" not in full.replace("\r\n", "")
    for key in ("a", "z", *old["repositories"]):
        full = module.without_entry(full, key)
        assert key not in json.loads(full)["repositories"]
    assert json.loads(full) == {**old, "repositories": {}}


def test_entries_beyond_a_size_go_to_files_with_states_of_their_own(script: Script) -> None:
    module, check = script("entries"), script("check")
    text = (Path(check.__file__).parent.parent / TFVARS).read_text()
    own = json.loads(text)["repositories"]["example-service"]
    many = {
        f"service-{n:04}": {**own, "ecr_repository": f"s-{n}", "role_name": f"s-{n}"}
        for n in range(700)
    }
    texts = module.added(check.account_in({TFVARS: text}), many)
    sizes = {path: len(json.loads(content)["repositories"]) for path, content in texts.items()}
    assert sizes == {TFVARS: 300, SECOND: 300, "infra/repositories-3.tfvars.json": 101}
    account = check.account_in(texts)
    assert set(account.entries) == {"example-service", *many}
    assert account.places["service-0299"] == SECOND
    # Further ones go where there is room.
    more = module.added(account, {"one-more": own})
    assert list(more) == ["infra/repositories-3.tfvars.json"]


# Publishing by a workflow of this repository


def test_callers_are_written_for_those_who_publish_by_a_workflow_here(github: Desk) -> None:
    ended = entries(
        github, "add", "octo-org/web", "octo-org/api", "--calls", "refs/tags/publish-v1"
    )
    assert ended.status == 0, ended.out
    values = json.loads((github.path / TFVARS).read_text())["repositories"]
    assert [values[key].get("job_workflow_ref") for key in values] == [CALLED, None, CALLED]
    workflow = (github.path / ".github/workflows/publish-image.yml").read_text()
    assert "uses: octo-org/example-service/.github/actions/scripts@publish-v1\n" in workflow
    assert (github.path / ".github/actions/scripts/action.yml").is_file()
    caller = (github.path / "services/web.yml").read_text()
    assert len(caller.splitlines()) < 20
    assert caller == (
        "# Publishes one image under two tags, as octo-org/example-service/.github/workflows/"
        "publish-image.yml says.\n"
        "name: deploy\n"
        "on:\n"
        "  release: {types: [published]}\n"
        "  workflow_dispatch:\n"
        "permissions: {}\n"
        "jobs:\n"
        "  publish:\n"
        "    if: ${{ startsWith(github.ref, 'refs/tags/v') }}\n"
        "    permissions: {contents: read, id-token: write}\n"
        "    uses: octo-org/example-service/.github/workflows/publish-image.yml@publish-v1\n"
        "    with:\n"
        '      role-to-assume: "arn:aws:iam::111122223333:role/web-push"\n'
        '      aws-region: "us-east-1"\n'
        '      ecr-repository: "web"\n'
        '      version: "${{ github.ref_name }}"\n'
    )
    assert github.run(sys.executable, "scripts/check.py").status == 0
    linted = github.run("actionlint", "-no-color", ".github/workflows/publish-image.yml")
    assert linted.out == ""
    for line in (
        "git tag publish-v1 && git push origin publish-v1",
        "make fetch FROM=octo-org/exa",
    ):
        assert f"\n  {line}" in ended.out
    # One that is there already can be moved to it, and another ref is told.
    github.hub.create("octo-org/third", repository_id=9)
    assert entries(github, "add", "octo-org/third").status == 0
    assert entries(github, "add", "octo-org/third", "--calls", "refs/tags/publish-v1").status == 0
    values = json.loads((github.path / TFVARS).read_text())["repositories"]
    assert values["third"]["job_workflow_ref"] == CALLED
    said = refused(github, "add", "octo-org/third", "--calls", "refs/heads/main")
    assert said[0].startswith(".github/workflows/publish-image.yml takes its scripts from another")


@pytest.mark.parametrize(
    ("refs", "environment", "events", "condition"),
    [
        (
            ["refs/heads/main"],
            None,
            ['  push: {branches: ["main"]}'],
            "github.ref == 'refs/heads/main'",
        ),
        (
            ["refs/tags/w1", "refs/tags/v*"],
            'it\'s "eu": \u00fcber',
            ["  release: {types: [published]}"],
            "github.ref == 'refs/tags/w1' || startsWith(github.ref, 'refs/tags/v')",
        ),
        (
            ["refs/heads/it's/*"],
            None,
            ['  push: {branches: ["it\'s/*"]}'],
            "startsWith(github.ref, 'refs/heads/it''s/')",
        ),
    ],
    ids=["a branch", "two, and an environment", "quotes"],
)
def test_a_caller_fits_to_its_entry(
    script: Script, refs: list[str], environment: str | None, events: list[str], condition: str
) -> None:
    import yaml

    services, check = script("services"), script("check")
    account = check.account_at(services.ROOT)
    entry = {**account.entries["example-service"], "refs": refs, "environment": environment}
    entry |= {"job_workflow_ref": CALLED}
    text = services.caller(account, entry, True)
    assert len(text.splitlines()) < 20
    for event in events:
        assert f"\n{event}\n" in text
    job = yaml.safe_load(text)["jobs"]["publish"]
    assert job["if"] == f"${{{{ {condition} }}}}"
    assert job["with"].get("environment") == environment
    by_branch = refs[0].startswith("refs/heads/")
    version = "main-${{ github.run_number }}" if by_branch else "${{ github.ref_name }}"
    assert job["with"]["version"] == version


# With what stands in AWS


@pytest.fixture(scope="module")
def applied(
    bootstrapped: tuple[Path, Account], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """A desk whose infra/ has made roles and registries of three repositories."""
    folder, account = bootstrapped
    place = tmp_path_factory.mktemp("applied")
    path = shutil.copytree(folder / "example-service", place / "example-service", symlinks=True)
    hub = Hub(shutil.copytree(folder / "hub", place / "hub", symlinks=True))
    with emulated_aws("111122223333", "us-east-1", place / "emulator.log") as emulator:
        account.restore(emulator)
        desk = Desk(Project(path), emulator, hub)
        for number, name in enumerate(("api", "web"), 5):
            hub.create(f"octo-org/{name}", repository_id=number)
        assert entries(desk, "add", "octo-org/api", "octo-org/web").status == 0
        ended = desk.bootstrap("--yes")
        assert ended.status == 0, ended.out
        desk.git("add", "--all")
        desk.git("commit", "--quiet", "--message=two more")
        yield desk


@pytest.fixture(autouse=True)
def undone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take back what a test has written at the desk that they share."""
    yield
    if "applied" in request.fixturenames:
        desk: Desk = request.getfixturevalue("applied")
        desk.git("checkout", "--quiet", "--", ".")
        desk.git("clean", "--quiet", "-fd")


def test_removing_an_entry_says_what_happens_to_role_and_images(applied: Desk) -> None:
    ecr = applied.emulator.client("ecr")
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": {}, "layers": []}
    text = json.dumps(manifest)
    ecr.put_image(repositoryName="web", imageManifest=text, imageTag="v1")
    applied.hub.clear()
    ended = entries(applied, "remove", "octo-org/WEB")
    assert ended.status == 0, ended.out
    assert ended.out == (
        f"Removed the entry 'web' from {TFVARS}. In AWS nothing has changed yet:\n"
        " -  The role web-push is still assumed by octo-org/web.\n"
        " -  The registry web holds 1 image; whatever runs them still pulls.\n"
        "To let both go, delete the images first:\n"
        "  aws ecr delete-repository --repository-name web --region us-east-1 --force\n"
        '  make bootstrap ARGS="--allow-destroy"\n'
        "To keep both, without Terraform:\n"
        '  terraform -chdir=infra state rm "module.repository[\\"web\\"]"\n'
        "To take it back:\n"
        f"  git checkout --patch -- {TFVARS} && python3 scripts/entries.py outputs\n"
    )
    assert keys(applied) == ["api", "example-service"]
    assert not (applied.path / "services/web.json").exists()
    assert applied.changes() == []
    # Bootstrap does not begin with what would end half-way, also where it may destroy.
    words = " ".join(applied.bootstrap("--yes", "--allow-destroy").out.split())
    assert "The registry web holds 1 image, so it cannot go." in words
    assert "ecr delete-repository --repository-name web --region us-east-1 --force" in words
    assert "nothing was changed in AWS: DESTROY registry web DESTROY role web-push" in words
    assert "apply" not in " ".join(applied.changes())
    # The printed line lets Terraform forget both, and they stay.
    (line,) = re.findall(r"^  (terraform .* state rm .*)$", ended.out, re.MULTILINE)
    state = applied.path / "infra/terraform.tfstate"
    before = state.read_bytes()
    assert applied.run("sh", "-c", line).status == 0
    planned = applied.bootstrap("--plan")
    assert "\n      note the outputs in the state\n" in planned.out, planned.out
    assert ecr.describe_repositories(repositoryNames=["web"])["repositories"]
    state.write_bytes(before)


# Several states


def test_an_entry_moves_between_two_states_and_aws_is_not_touched(applied: Desk) -> None:
    applied.emulator.clear()
    moved = entries(applied, "move", "api", SECOND)
    assert moved.status == 0, moved.out
    assert moved.out.startswith(f"Moved api from {TFVARS} to {SECOND}: what its state knows of it.")
    assert applied.emulator.calls() == []
    assert (keys(applied), keys(applied, SECOND)) == (["example-service", "web"], ["api"])
    # Each state knows its own alone.
    states = {
        place: applied.run("terraform", "-chdir=infra", "state", "list", TF_WORKSPACE=place).out
        for place in ("default", "repositories-2")
    }
    assert ("api" in states["default"], "web" in states["default"]) == (False, True)
    assert ("api" in states["repositories-2"], "web" in states["repositories-2"]) == (True, False)
    # A change there is planned and applied there, and doctor looks for drift in both.
    applied.hub.rename("octo-org/api", "octo-org/api-2")
    ended = applied.bootstrap("--yes")
    assert ended.status == 0, ended.out
    where = "in AWS account 111122223333, region us-east-1"
    assert f" 2. {where}:\n      note the outputs in the state\n 3. {where} ({SECOND}):\n" in (
        ended.out
    )
    (step,) = re.findall(r"\. in AWS account .*-2.*\n((?:      .*\n)+)", ended.out)
    assert [each.split()[:3] for each in step.splitlines()] == [["change", "role", "api-push:"]]
    said = applied.bootstrap("doctor", "--plan").out
    assert (
        f"ok  drift        AWS is what infra/ says\nok  drift        AWS is what {SECOND}" in said
    )
    # An edit by hand that leaves the state behind is told, and so is an entry in two files, and a
    # file that is gone; a shell that names a workspace changes nothing.
    first, second = (json.loads((applied.path / path).read_text()) for path in (TFVARS, SECOND))
    both = {**first, "repositories": {**first["repositories"], **second["repositories"]}}
    (applied.path / TFVARS).write_text(json.dumps(both))
    ended = applied.bootstrap("--yes")
    assert f"{SECOND}: has the entry api of {TFVARS}; remove one" in ended.out
    (applied.path / SECOND).unlink()
    words = " ".join(applied.bootstrap("--yes").out.split())
    assert (
        f"The state repositories-2 knows roles and registries, and {SECOND} is not there" in words
    )
    (applied.path / SECOND).write_text('{"repositories": {}}')
    ended = applied.bootstrap("--yes", TF_WORKSPACE="repositories-2")
    assert ended.status == 1
    words = " ".join(ended.out.split())
    assert f"'api' stands in {TFVARS}, and the state of {SECOND} knows its role and its" in words
    # The printed line brings them together, and an interrupted move goes on: both states know it.
    (line,) = re.findall(r"^  make (move) KEY=api TO=(.*)$", ended.out, re.MULTILINE)
    assert entries(applied, line[0], "api", line[1]).status == 0
    assert (keys(applied), keys(applied, SECOND)) == (["example-service", "web"], ["api"])
    applied.hub.rename("octo-org/api-2", "octo-org/api")
    two = applied.path / "infra/terraform.tfstate.d/repositories-2/terraform.tfstate"
    before = two.read_bytes()
    assert entries(applied, "move", "api", TFVARS).status == 0
    two.write_bytes(before)  # as after the first half, with the file already moved
    words = " ".join(applied.bootstrap("--yes").out.split())
    assert f"the state of {SECOND} knows its role and its registry, too: a move was" in words
    assert entries(applied, "move", "api", SECOND).status == 0
    moved = entries(applied, "move", "api", TFVARS)
    assert moved.status == 0, moved.out
    listed = applied.run("terraform", "-chdir=infra", "state", "list").out
    assert listed.count('module.repository["api"].aws_iam_role.push') == 1


def test_a_state_that_waits_for_the_provider_is_planned_behind_it(desk: Desk) -> None:
    for number, name in enumerate(("example-service", "api"), 456789):
        desk.hub.create(f"octo-org/{name}", repository_id=number)
    assert entries(desk, "add", "octo-org/api").status == 0
    assert entries(desk, "move", "api", SECOND).status == 0
    ended = desk.bootstrap("--yes")
    assert ended.status == 0, ended.out
    assert ended.out.count("Apply complete!") == 2
    roles = {role["RoleName"] for role in desk.emulator.client("iam").list_roles()["Roles"]}
    assert roles == {"example-service-push", "api-push"}
    assert SECOND in desk.git("ls-files")


# What an account may have


def test_what_exceeds_a_quota_is_told_by_its_name_before_a_plan(applied: Desk) -> None:
    text = json.loads((applied.path / TFVARS).read_text())
    refs = [f"refs/heads/{'release-' * 8}{n}" for n in range(25)]
    text["repositories"]["web"]["refs"] = refs
    (applied.path / TFVARS).write_text(json.dumps(text, indent=2))
    applied.hub.clear()
    ended = applied.bootstrap("--yes")
    assert ended.status == 1
    said = " ".join(ended.out.split())
    found = re.search(
        r"would have ([0-9,]+) of what the quota '([^']*)' allows ([0-9,]*[0-9])", said
    )
    assert found, said
    host = "token.actions.githubusercontent.com"
    subjects = [f"repo:octo-org@123456/web@6:ref:{ref}" for ref in refs]
    equal = {f"{host}:aud": ["sts.amazonaws.com"], f"{host}:sub": subjects}
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{host}"},
        "Condition": {"StringEquals": equal},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
    assert found.groups() == (f"{len(policy):,}", "Role trust policy length", "2,048")
    assert "terraform -chdir=infra plan" not in " ".join(applied.hub.calls())
    # What no account can have is the check's.
    text["repositories"]["web"]["refs"] = [f"{ref}{n}" for ref in refs for n in range(4)]
    (applied.path / TFVARS).write_text(json.dumps(text, indent=2))
    said = applied.run(sys.executable, "scripts/check.py").out
    assert "and the quota 'Role trust policy length' is at most 8,192" in said


def test_many_roles_and_registries_are_counted_with_those_of_others(
    applied: Desk, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in applied.environment().items():
        monkeypatch.setenv(key, value)
    outside, check = script("outside"), script("check")
    account = check.account_at(applied.path)
    found = list(outside.quotas(account, [applied.entry] * 1000, 1000, 0))
    assert [found[0], found[2]] == [  # three of each are there
        ("Roles per account", 1003, 1000),
        ("Registered repositories", 1003, 10_000),
    ]
    assert list(outside.quotas(account, [applied.entry], 1, 0)) == []
