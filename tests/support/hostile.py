"""Hostile answers, and which of them a question accepts; all others must be refused."""

from __future__ import annotations

CODE = "cycler.__init__.__globals__.os.system('touch ran')"
VALUES = [
    *("'", '"', "`", "a'b", 'a"b', "''", '""', "a\\b", "\\", "\\n", "a\\'b"),
    *("a\nb", "\na", "a\n", "a\rb", "a\0b", "a\tb", "\x1b[31m", "a\x7f", "\x85"),
    *("${x}", "$x", "$(id)", "`id`", "%{x}", "%{ if true }", "%x", "%s", "%3A", "$${x}"),
    *("{{ x }}", "{% x %}", "{# x #}", "{x}", "<<x>>", "<< ", "<% raw %>", "<# x #>", ">>"),
    *("# % if", "a\n# % if true", "a\r# % endif", f"<<{CODE}>>", f"a\n# % set x = {CODE}"),
    *("a: b", ": ", "a:", "#", "a #b", "a#b", "- a", "-a", "--help", "- -", "? a", "! a", "&a"),
    *("*a", "*", "?", "[a]", "[", "]", "|", ">", "@a", ",", "a,b", "=", "a=b", "a;id", "a&&b"),
    *("..", ".", "../a", "a/../b", "/", "/etc/passwd", "//a", "C:\\a", "a/", "~root", "./a"),
    *(
        "\u0430bc",
        "\uff41bc",
        "a\u202eb",
        "a\u200bb",
        "\ufeffa",
        "\u2028",
        "\U0001f600",
        "caf\u00e9",
    ),
    *("cafe\u0301", "\u0661\u0662", "a\u00a0b", "a\u00adb", "\u212a", "\u00df", "\u0130"),
    *("a" * 255, "a" * 4096, "1" * 255, "\U0001f600" * 255),
    *("on", "no", "null", "~", "1e3", "0x1F", "0o7", "true", "None", "1.10", "-1", "nan", "=1+1"),
    *(" ", " a", "a ", "a b", "a", "A", "con", "000000000001", "1_000", "12:30:45", "2026-11-23"),
]
PLAIN = {"on", "no", "null", "1e3", "0x1F", "0o7", "true", "None", "1.10", "nan", "A", "con"}
PLAIN |= {"000000000001", "1_000", "2026-11-23", "a"}
SAID = {"a'b", "a: b", "a #b", "a#b", "a,b", "a=b", "a;id", "a&&b", "a/../b", "caf\u00e9", "\u00df"}
TAKEN = {
    "github_repository": set(),
    "project_slug": PLAIN,
    "aws_account_id": {"000000000001"},
    "aws_region": set(),
    "ecr_repository": {"on", "no", "null", "true", "nan", "con"},
    "github_environment": PLAIN | SAID | {"a/", "a:", "a b", "12:30:45", "a" * 255, "1" * 255},
    "state_bucket": {"null", "1e3", "0o7", "true", "1.10", "nan", "con", "000000000001"}
    | {"2026-11-23"},
}
