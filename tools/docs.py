"""`make docs`: write the reference pages of docs/, each from the code that it describes.

Questions come from cookiecutter.json, values from the variables of infra/, commands and exit
statuses from the command line of the tool, rules from the rules, and messages from the code that
prints them (messages.py). The cause of a message is written by hand, in causes/: each has one.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "<<cookiecutter.project_slug>>/.github")]

from keyless import commands
from keyless.rules import all_rules

from tools.messages import Message, Reader, reached, read_modules

PROJECT = ROOT / "<<cookiecutter.project_slug>>"
INFRA = PROJECT / "<<cookiecutter.__infra>>"
DOCS = ROOT / "docs"
CAUSES = Path(__file__).parent / "causes"
WAYS = 3  # in which one message may go on, on its page
TOOL_PAGES = "../../%3C%3Ccookiecutter.project_slug%3E%3E/.github/keyless/docs"
NOTICE = "<!-- Written by `make docs`. Edit the code that it describes, then type it again. -->"


class Group(NamedTuple):
    """Messages on one page: what they are about, the modules that print them, and their causes."""

    title: str
    about: str
    modules: list[str]
    causes: dict[str, str]  # by heading
    remedies: dict[str, str]  # by heading, if the message has several cases: they say when


# What a release runs, and what prepares and follows one. Others print their help or one of these.
ROOTS = [
    *("release.publish", "release.diagnose", "release.deploy"),
    *("setup.doctor", "setup.bootstrap", "setup.release"),
]


def pages() -> dict[str, str]:
    """Return all pages that are written from the code, by their paths below docs/.

    Raises:
        ValueError: a message has no cause or no page, or a cause has no message.
    """
    return {
        "reference/questions.md": questions_page(),
        "reference/values.md": values_page(),
        "reference/rules.md": rules_page(),
        **commands_pages(),
        **messages_pages(),
    }


def page(title: str, *parts: str) -> str:
    """Return a page: a title, the notice, and its parts."""
    return "\n\n".join([f"# {title}", NOTICE, *parts]) + "\n"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table; a | in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def questions_page() -> str:
    """Return what cookiecutter asks, as it asks it."""
    context = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    labels = context["__prompts__"]
    rows = []
    for key, value in context.items():
        if key.startswith("_"):
            continue
        label = labels[key]
        shown = label if isinstance(label, str) else label["__prompt__"]
        if isinstance(value, list):
            words = {
                each: label[each].removeprefix(each.rpartition("/")[2]).strip() for each in value
            }
            choices = [f"`{each}`: {words[each]}" for each in value]
            rows.append([f"`{key}`", shown, f"`{value[0]}`", "<br>".join(choices)])
        else:
            default = (
                "the name in `github_repository`, in lower case" if "<<" in value else f"`{value}`"
            )
            rows.append([f"`{key}`", shown, default if value else "empty", "text"])
    return page(
        "Questions, as they are asked",
        "[Questions](../questions.md) explains what each answer means and what is accepted.",
        table(["question", "label", "default", "choices"], rows),
    )


def values_page() -> str:
    """Return the keys of infra/terraform.tfvars.json."""
    text = (INFRA / "variables.tf").read_text(encoding="utf-8")
    blocks = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.DOTALL | re.MULTILINE)
    rows = []
    for name, block in blocks:
        (kind,) = re.findall(r"^  type +=(.*)", block, re.MULTILINE)
        (about,) = re.findall(r'^  description = "(.*)"', block, re.MULTILINE)
        default = re.findall(r"^  default +=(.*)", block, re.MULTILINE)
        kind = "map of entries" if "object" in kind else kind.strip()
        rows.append(
            [f"`{name}`", kind, f"`{default[0].strip()}`" if default else "required", about]
        )
    text = (INFRA / "repository/variables.tf").read_text(encoding="utf-8")
    entry = text.partition('variable "entry"')[2]
    entries = []
    for about, name, kind in re.findall(r"^ +# (.*)\n +(\w+) += (.*)", entry, re.MULTILINE):
        optional = re.fullmatch(r"optional\(([\w()]+?)(?:, (.*))?\)", kind)
        given = f"`{optional[2] or 'null'}`" if optional else "required"
        entries.append([f"`{name}`", optional[1] if optional else kind, given, about])
    return page(
        "Values in infra/terraform.tfvars.json",
        "Terraform reads this file by itself. Edit it, then type `make bootstrap`, which shows"
        " what changes before it asks."
        f" [Settings]({TOOL_PAGES}/settings.md) explains those that no question asks for.",
        "## For the account",
        table(["key", "type", "default", "meaning"], rows),
        "## For each entry of `repositories`",
        table(["key", "type", "default", "meaning"], entries),
    )


def rules_page() -> str:
    """Return the rules of the check."""
    rows = [[f"[`{rule.id}`]({rule_link(rule.id)})", rule.why] for rule in all_rules()]
    return page(
        "Rules of the check",
        "A finding looks like `.github/workflows/deploy.yml:19: subject ...`. The word after the"
        " line number is the rule.",
        table(["rule", "why"], rows),
    )


def rule_link(name: str) -> str:
    """Return where a rule is explained, from a page of docs/reference/."""
    return f"{TOOL_PAGES}/rules/{name}.md"


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command of the tool, by its name."""
    (found,) = [each for each in commands.parser()._actions if each.dest == "command"]
    return dict(found.choices or {})


# The commands by what a reader wants to do; the last ones are run by deploy.yml.
COMMANDS = {
    "commands-setup": (
        "Commands: set up and release",
        ["bootstrap", "doctor", "release", "destroy", "update", "change"],
    ),
    "commands-check": ("Commands: check", ["check", "explain", "subjects", "rules"]),
    "commands-many": (
        "Commands: many repositories",
        ["add", "remove", "move", "outputs", "fetch", "caller"],
    ),
    "commands-job": ("Commands that deploy.yml runs", ["publish", "diagnose", "deploy"]),
}


def commands_pages() -> dict[str, str]:
    """Return the pages of the command line: an index with exit statuses, and one for each group."""
    found, index = {}, []
    targets = make_targets()
    if {*parsers()} != {name for _, names in COMMANDS.values() for name in names}:
        raise ValueError("tools/docs.py, COMMANDS, does not list the commands that there are")
    for file, (title, names) in COMMANDS.items():
        parts = [command_part(name, parsers()[name]) for name in names]
        found[f"reference/{file}.md"] = page(title, INVOKED, *parts)
        for name in names:
            made = f"`make {name}`" if name in targets else ""
            status = str(parsers()[name].epilog).removeprefix("Exit status: ").rstrip(".")
            index.append([f"[`{name}`]({file}.md#{name})", made, status])
    found["reference/commands.md"] = page(
        "Commands and exit statuses",
        INVOKED + " If `make` runs a command that fails, `make` itself ends with status 2.",
        table(["command", "with make", "exit status"], index),
        "## Targets of make",
        "These are the targets of a generated repository.",
        table(
            ["target", "what it does"],
            [[f"`make {name}`", about] for name, about in targets.items()],
        ),
    )
    return found


INVOKED = (
    "Type `python3 .github/keyless COMMAND`. With make, pass the options in `ARGS`:"
    " `make doctor ARGS=--plan`."
)


def command_part(name: str, parser: argparse.ArgumentParser) -> str:
    """Return a section on one command: what it does, its arguments, its exit status."""
    rows = []
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or action.dest == "help":
            continue
        value = action.metavar or (
            "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""
        )
        if not action.option_strings:
            shown = value or action.dest
        else:
            shown = f"{', '.join(action.option_strings)} {value or action.dest.upper()}"
            shown = shown if action.nargs != 0 else ", ".join(action.option_strings)
        rows.append([f"`{shown}`", str(action.help)])
    parts = [f"## {name}", str(parser.description)]
    parts += [table(["argument", "meaning"], rows)] if rows else []
    return "\n\n".join([*parts, str(parser.epilog)])


def make_targets() -> dict[str, str]:
    """Return the targets of a generated repository's Makefile, each with its help."""
    text = (PROJECT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z]+):.*## (.*)", text, re.MULTILINE))


def messages_pages() -> dict[str, str]:
    """Return a page of messages for each group, and their index.

    Raises:
        ValueError: a message has no cause or no page, or a cause has no message.
    """
    found, wrong, rows = {}, [], []
    groups = read_groups()
    for name, messages in messages_by_group(groups).items():
        group, headings = groups[name], [each.heading for each in messages]
        missing = [each for each in headings if each not in group.causes]
        left = [each for each in {**group.causes, **group.remedies} if each not in headings]
        wrong += [f"causes/{name}.yml: no cause for {each!r}" for each in missing]
        wrong += [f"causes/{name}.yml: no such message: {each!r}" for each in left]
        parts = [message_part(each, group) for each in messages]
        found[f"messages/{name}.md"] = page(group.title, group.about, *parts)
        rows.append([f"[{group.title}]({name}.md)", group.about, str(len(headings))])
    if wrong:
        raise ValueError("\n".join(wrong))
    found["messages/README.md"] = page(
        "All messages",
        "Search this folder for words of the message that do not depend on your repository. A word"
        " in capitals, such as `NAME`, stands for a value, and `…` for any text.",
        table(["page", "when", "messages"], rows),
        "A line such as `.github/workflows/deploy.yml:19: subject ...` is a finding. See"
        " [Rules of the check](../reference/rules.md).",
    )
    return found


def read_groups() -> dict[str, Group]:
    """Return the pages of messages, by their names."""
    read = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in CAUSES.glob("*.yml")}
    return {name: Group(**read[name]) for name in sorted(read)}


def messages_by_group(groups: dict[str, Group]) -> dict[str, list[Message]]:
    """Return the messages of each page, in the order of the code.

    Raises:
        ValueError: a module with messages is on no page, or on two.
    """
    modules = read_modules()
    names = [name for name in reached(modules, *ROOTS) if not name.startswith("rules")]
    found: dict[str, list[Message]] = {name: [] for name in groups}
    for message in folded(Reader(modules).messages(names)):
        homes = [name for name in groups if belongs(message.module, groups[name])]
        if len(homes) != 1:
            raise ValueError(f"tools/causes: {message.module} is on {len(homes)} pages, not on one")
        found[homes[0]].append(message)
    return found


def belongs(module: str, group: Group) -> bool:
    """Tell whether a module's messages are on a page."""
    return module in group.modules or f"{module.rpartition('.')[0]}.*" in group.modules


def folded(messages: list[Message]) -> Iterator[Message]:
    """Yield messages, of those that several beginnings share only the shared end, once.

    "Terraform's state cannot be read: it is too old" and "the plan failed: it is too old" have one
    reason, so it is listed once: "…: it is too old".
    """
    ends: dict[str, set[str]] = {}
    for message in messages:
        begin, _, end = message.heading.partition(": ")
        ends.setdefault(end, set()).add(begin)
    seen = set()
    for message in messages:
        begin, _, end = message.heading.partition(": ")
        if len(ends[end]) < 3 or not end or re.fullmatch("[A-Z_']+", end):
            shared = message
        else:
            shared = message._replace(text=f"…: {message.text[len(begin) + 2 :]}")
        if shared.heading not in seen:
            seen.add(shared.heading)
            yield shared


def message_part(message: Message, group: Group) -> str:
    """Return a section on one message: its cause, how it goes on, and what to type."""
    cause = group.causes.get(message.heading, "")
    line = f" (`make doctor` prints this in its line {message.line}.)" if message.line else ""
    ways = [what_to_do(each) for each in (message, *message.others[: WAYS - 1])]
    if message.heading in group.remedies:
        ways = [group.remedies[message.heading]]
    ways = [each for each in dict.fromkeys(ways) if each]
    words = ["What to do", *["Or"] * len(ways)]
    told = [f"**{word}:** {way}" for word, way in zip(words, ways, strict=False)]
    lines = [f"**Cause:** {cause}{line}", *told]
    return "\n".join([f"## {escaped(message.heading)}", "\\\n".join(lines)])


def what_to_do(message: Message) -> str:
    """Return how a message goes on after its first sentence, and its commands, in one line."""
    types = [re.sub(' ARGS=""|  # .*', "", each) for each in dict.fromkeys(message.commands)]
    typed = [f"`{each}`" for each in types if each and not each.startswith(("#", "http"))]
    typed += ["the same command again"] * message.again
    pages = [f"See <{each}>." for each in types if each.startswith("http")]
    parts = [escaped(message.rest)] if message.rest else []
    if typed:
        parts.append(f"{'' if message.rest.endswith(':') else 'Type '}{', then '.join(typed)}.")
    return " ".join([*parts, *pages])


def escaped(text: str) -> str:
    """Return a text as Markdown shows it unchanged."""
    return re.sub(r"([<*\[\]])", r"\\\1", text)


def written() -> dict[Path, str]:
    """Return what stands in the folders of the pages."""
    paths = [path for each in ("reference", "messages") for path in (DOCS / each).glob("*.md")]
    return {path: path.read_text("utf-8") for path in paths}


def stale(pages: dict[str, str]) -> list[str]:
    """Return the pages that differ from what the code says, or that nothing writes any more."""
    wanted = {DOCS / name: text for name, text in pages.items()}
    found = written()
    changed = [path for path in {**wanted, **found} if wanted.get(path) != found.get(path)]
    return sorted(path.relative_to(DOCS).as_posix() for path in changed)


def main() -> int:
    """Write the pages, and remove those that nothing writes any more; return the exit status."""
    try:
        wanted = pages()
    except ValueError as error:
        print(error)
        return 1
    for name in stale(wanted):
        if name in wanted:
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(wanted[name], encoding="utf-8")
        else:
            (DOCS / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
