"""What the rules say of themselves: on the terminal, and as docs/rules.md in this folder."""

from __future__ import annotations

from pathlib import Path

from keyless.rules import Rule, all_rules

DOCUMENT = Path(__file__).parent / "docs/rules.md"
INTRODUCTION = """\
# Rules of the check

`python3 .github/keyless check` holds the workflows against `infra/`: at generation, on every pull
request, and before every `make bootstrap`. Each finding names one of these rules.
[check.md](check.md) explains what the check takes for granted.

This page is written from the rules by `python3 .github/keyless rules --write`.
"""


def main(name: str | None, write: bool) -> int:
    """Print all rules or one, or write the page; return the exit status."""
    rules = all_rules()
    if name is not None:
        chosen = [rule for rule in rules if rule.id == name]
        if not chosen:
            print(f"There is no rule {name!r}. Type one of: {', '.join(each.id for each in rules)}")
            return 2
        print(section(chosen[0]), end="")
    elif write:
        DOCUMENT.write_text(document(rules), encoding="utf-8")
    else:
        print(document(rules), end="")
    return 0


def document(rules: list[Rule]) -> str:
    """Return the page: a table of all rules, then a section for each."""
    rows = [f"| [`{rule.id}`](#{rule.id}) | {rule.why} |" for rule in rules]
    table = "\n".join(["| rule | why |", "| --- | --- |", *rows])
    return "\n".join([INTRODUCTION, table, "", *map(section, rules)]).rstrip("\n") + "\n"


def section(rule: Rule) -> str:
    """Return what a reader of a finding needs: why, where that is documented, before and after."""
    sources = ", ".join(f"[{title}]({address})" for title, address in rule.sources)
    parts = [f"## {rule.id}", rule.why]
    parts += [f"Source: {sources}"] if sources else []
    parts += ["Before:", f"```text\n{rule.before}\n```", "After:", f"```text\n{rule.after}\n```"]
    return "\n\n".join(parts) + "\n"
