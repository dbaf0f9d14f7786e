"""What each rule checks and why: on the terminal, and as pages in docs/ of this folder."""

from __future__ import annotations

from pathlib import Path

from keyless.rules import Rule, all_rules
from keyless.writing import write_text

INDEX = Path(__file__).parent / "docs/rules.md"
PAGES = INDEX.with_suffix("")  # the folder that holds one page for each rule
INTRODUCTION = """\
# Rules of the check

`python3 .github/keyless check` compares the workflows with `infra/`: when a project is generated,
on every pull request, and before every `make bootstrap`. Each finding has the name of one of these
rules. The page of a rule says why it exists, and shows an example before and after the correction.
[check.md](check.md) explains what the check takes for granted.

`python3 .github/keyless rules --write` writes these pages from the rules. Do not edit them by hand.
"""
BACK = "[All rules](../rules.md)\n"


def main(name: str | None, write: bool) -> int:
    """Print all rules or one, or write the pages; return the exit status."""
    rules = all_rules()
    if name is not None:
        chosen = [rule for rule in rules if rule.id == name]
        if not chosen:
            print(f"There is no rule {name!r}. Type one of: {', '.join(each.id for each in rules)}")
            return 2
        print(section(chosen[0]), end="")
    elif write:
        write_pages(rules)
    else:
        print("\n".join(map(section, rules)), end="")
    return 0


def write_pages(rules: list[Rule]) -> None:
    """Write the index and the page of each rule, and remove the pages of rules that are gone."""
    texts = pages(rules)
    for path in set(PAGES.glob("*.md")) - set(texts):
        path.unlink()
    for path, text in texts.items():
        path.parent.mkdir(exist_ok=True)
        write_text(path, text)


def pages(rules: list[Rule]) -> dict[Path, str]:
    """Return the text of the index and of each rule's page, by path."""
    rows = [f"| [`{rule.id}`](rules/{rule.id}.md) | {rule.checks} |" for rule in rules]
    table = "\n".join(["| rule | what it checks |", "| --- | --- |", *rows])
    texts = {PAGES / f"{rule.id}.md": f"{section(rule)}\n{BACK}" for rule in rules}
    return {INDEX: f"{INTRODUCTION}\n{table}\n", **texts}


def section(rule: Rule) -> str:
    """Return what a rule checks, why, where that is documented, and an example."""
    sources = ", ".join(f"[{title}]({address})" for title, address in rule.sources)
    parts = [f"# {rule.id}", rule.checks, f"Why: {rule.why}"]
    parts += [f"Source: {sources}"] if sources else []
    parts += ["Before:", f"```text\n{rule.before}\n```", "After:", f"```text\n{rule.after}\n```"]
    return "\n\n".join(parts) + "\n"
