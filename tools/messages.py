"""Read the messages of the tool from its code: what `make docs` lists, so that none is missing.

A message is the text of a Problem, or of a line of doctor that is not ok. It is often put together
from parts, so functions are followed statement by statement with what is known of their variables:
a part that is not known is a placeholder in capitals, and a condition gives two texts. A function
that gets its text as a parameter is followed from where it is called.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

TOOL = Path(__file__).parents[1] / "<<cookiecutter.project_slug>>/.github/keyless"
LINES = ("wrong", "warning", "unknown")  # functions of doctor
DEEPEST = 3  # functions that a text is followed into
OF_TEXTS = {  # methods that give the text that they are asked of, or a part of it
    *("strip", "rstrip", "replace", "removesuffix", "removeprefix", "lower", "format"),
    *("split", "splitlines", "partition", "rpartition"),
}
MOST = 12  # texts that one expression can have; further ones are variants of these
PARAMETER = re.compile("\x01(\\w+)\x01")


class Message(NamedTuple):
    """One message: its whole text, and the commands that it ends with."""

    text: str
    commands: tuple[str, ...] = ()
    again: bool = False  # whether the command that was typed follows its own commands
    line: str = ""  # of doctor: its name and its state
    module: str = ""
    others: tuple[Message, ...] = ()  # which begin alike, and go on in another way

    @property
    def rest(self) -> str:
        """What follows its first sentence."""
        return self.text[len(self.heading) :].lstrip(".:? ").strip()

    @property
    def heading(self) -> str:
        """Its first sentence, without the point: what a reader searches for."""
        sentences = re.split(r"(?<=[a-zA-Z)'\"`…])[.?] (?=[A-Z'])", self.text, maxsplit=1)
        named = re.match(r".*?: [A-Z_]{3,}(?= [A-Z][a-z])", sentences[0])  # what a program said
        return (named[0] if named else sentences[0]).rstrip(" .:")

    def filled(self, given: dict[str, list[str]]) -> Iterator[Message]:
        """Yield it with parameters replaced by what was given for them."""
        commands = tuple(each for one in self.commands for each in listed(one, given))
        names = list(dict.fromkeys(PARAMETER.findall("\n".join([self.text, *commands]))))
        choices = [given.get(name, [placeholder(name)]) for name in names]
        for values in itertools.islice(itertools.product(*choices), MOST):
            chosen = dict(zip(names, values, strict=True))

            def fill(text: str, chosen: dict[str, str] = chosen) -> str:
                return PARAMETER.sub(lambda found: chosen[found[1]], text)

            yield self._replace(text=fill(self.text), commands=tuple(map(fill, commands)))


def listed(command: str, given: dict[str, list[str]]) -> list[str]:
    """Return the commands that were given for a parameter such as *commands, or the one command."""
    found = PARAMETER.fullmatch(command)
    return given.get(f"*{found[1]}", [command]) if found else [command]


def placeholder(name: str) -> str:
    """Return what stands for a value that only a run knows."""
    word = re.sub("(?<=[a-z])(?=[A-Z])", "_", name.strip("_")).upper()
    word = word.replace("GITHUB_RUN_ID", "RUN_ID")
    return word if re.fullmatch("[A-Z][A-Z_]{1,}", word) else "…"


@dataclass
class Module:
    """One file of the tool: its functions, its constants, and what it imports from where."""

    name: str
    tree: ast.Module
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)  # to module and name


def read_modules(tool: Path = TOOL) -> dict[str, Module]:
    """Return all modules of the tool by their dotted names, such as setup.steps.account."""
    found = {}
    for path in sorted(tool.rglob("*.py")):
        name = ".".join(path.relative_to(tool).with_suffix("").parts).removesuffix(".__init__")
        module = Module(name, ast.parse(path.read_text(encoding="utf-8")))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef):
                module.functions.setdefault(node.name, node)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keyless"):
                source = (node.module or "").removeprefix("keyless").lstrip(".")
                for alias in node.names:
                    module.imported[alias.asname or alias.name] = (source, alias.name)
        for statement in module.tree.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                module.constants[statement.targets[0].id] = statement.value
        found[name] = module
    return found


def reached(modules: dict[str, Module], *roots: str) -> list[str]:
    """Return the modules that these import, directly or not, themselves among them."""
    open_, found = list(roots), []
    while open_:
        name = open_.pop()
        if name in found or name not in modules:
            continue
        found.append(name)
        for source, what in modules[name].imported.values():
            open_ += [source, f"{source}.{what}".lstrip(".")]
    return sorted(found)


def classes(modules: dict[str, Module]) -> Iterator[tuple[str, set[str]]]:
    """Yield each class with the names of those that it is made from."""
    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                yield node.name, {each.id for each in node.bases if isinstance(each, ast.Name)}


class Reader:
    """Reads the messages of modules, each function once."""

    def __init__(self, modules: dict[str, Module]) -> None:
        self.modules = modules
        self.summaries: dict[tuple[str, str], list[Message]] = {}
        self.problems, self.unfinished = {"Problem"}, {"Unfinished"}
        for _ in range(3):  # a class of a class of a class
            for known in (self.problems, self.unfinished):
                known |= {name for name, bases in classes(modules) if bases & known}

    def messages(self, names: Iterable[str]) -> list[Message]:
        """Return the messages of modules, those with the same heading once, with all variants."""
        found: dict[str, Message] = {}
        for name in names:
            for function in self.modules[name].functions:
                for message in self.summary(name, function):
                    whole = next(iter(message.filled({})))
                    if starts_open(message) or not re.search("[a-z]{2}", whole.heading):
                        continue
                    begun = found.setdefault(whole.heading, whole)
                    ways = [(each.rest, each.commands) for each in (begun, *begun.others)]
                    if (whole.rest, whole.commands) not in ways:
                        others = (*begun.others, whole)
                        found[whole.heading] = begun._replace(others=others)
        return list(found.values())

    def summary(self, module: str, function: str) -> list[Message]:
        """Return the messages of a function; its parameters are marked in them."""
        key = (module, function)
        if key not in self.summaries:
            self.summaries[key] = []  # for one that calls itself
            self.summaries[key] = list(Walk(self, module).messages_of(function))
        return self.summaries[key]

    def find(self, module: str, name: str) -> tuple[str, str] | None:
        """Return where a function that a module names is defined."""
        here = self.modules[module]
        if name in here.functions:
            return module, name
        source = here.imported.get(name)
        if source and source[0] in self.modules and source[1] in self.modules[source[0]].functions:
            return source
        return None


def starts_open(message: Message) -> bool:
    """Tell whether a message begins with a parameter that is a text of its own.

    Only those who call the function know it then. A name at the beginning of a sentence is none.
    """
    found = PARAMETER.match(message.text)
    return found is not None and not re.match(" [a-z]", message.text[found.end() :])


Known = dict[str, list[str]]


class Walk:
    """One walk through a function, with the texts that its variables can have."""

    def __init__(self, reader: Reader, module: str, depth: int = 0, usual: bool = False) -> None:
        self.reader, self.module, self.depth = reader, module, depth
        self.usual = usual  # whether what a condition adds is left out, as it is in commands
        self.found: list[Message] = []
        self.returned: list[list[str]] = []

    def messages_of(self, function: str) -> Iterator[Message]:
        """Yield what a function can report, also by the functions that it hands a text to."""
        self.follow(function)
        yield from self.found

    def follow(self, function: str) -> None:
        """Walk through a function."""
        node = self.reader.modules[self.module].functions[function]
        names = [
            each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        ]
        known: Known = {name: [f"\x01{name}\x01"] for name in names if name != "self"}
        if node.args.vararg:
            name = node.args.vararg.arg
            known[f"*{name}"] = [f"\x01{name}\x01"]
        self.block(node.body, known)

    def block(self, body: list[ast.stmt], known: Known) -> bool:
        """Walk through statements; tell whether what follows them is reached."""
        return all(self.statement(each, known) for each in body)

    def statement(self, node: ast.stmt, known: Known) -> bool:
        """Walk through one statement; tell whether the next one is reached."""
        if isinstance(node, ast.If):
            self.look(node.test, known)
            sides = [dict(known), dict(known)]
            ends = [self.block(node.body, sides[0]), self.block(node.orelse, sides[1])]
            left = [side for side, goes_on in zip(sides, ends, strict=True) if goes_on]
            for name in {name for side in left for name in side}:
                texts = [text for side in left for text in side.get(name, [])]
                known[name] = list(dict.fromkeys(texts))[:MOST]
            return bool(left)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            self.assign(node, known)
            return True
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            return True
        for name, value in ast.iter_fields(node):
            if name in ("body", "orelse", "finalbody"):
                self.block(value, known)
            elif name == "handlers":
                for handler in value:
                    self.block(handler.body, dict(known))
            elif name == "items":
                for item in value:
                    self.look(item.context_expr, known)
            elif isinstance(value, ast.expr):
                self.look(value, known)
        if isinstance(node, ast.Return) and node.value is not None:
            self.returned.append(self.many(node.value, known))
        return not isinstance(node, ast.Return | ast.Raise | ast.Continue | ast.Break)

    def assign(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, known: Known) -> None:
        """Note what a variable is from here on."""
        if node.value is None:
            return
        self.look(node.value, known)
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            values = [self.texts(value, known) for value in node.value.elts]
            for one, texts in zip(target.elts, values, strict=False):
                if isinstance(one, ast.Name):
                    known[one.id] = texts if texts != ["…"] else [placeholder(one.id)]
        elif isinstance(target, ast.Tuple):
            for one in target.elts:
                if isinstance(one, ast.Name):
                    known[one.id] = [placeholder(one.id)]
        elif isinstance(target, ast.Name) and isinstance(node.value, ast.Tuple | ast.List):
            known[f"*{target.id}"] = self.many(node.value, known)
        elif isinstance(target, ast.Name):
            texts = self.texts(node.value, known)
            if isinstance(node, ast.AugAssign):
                texts = joined([known.get(target.id, [""]), texts])
            if texts == ["…"] or (isinstance(node.value, ast.Call) and texts[0].isupper()):
                texts = [placeholder(target.id)]
            known[target.id] = texts

    def look(self, node: ast.expr, known: Known) -> None:
        """Find the messages in an expression."""
        for each in ast.walk(node):
            if isinstance(each, ast.Call):
                self.call(each, known)

    def call(self, node: ast.Call, known: Known) -> None:
        """Note the messages that a call makes, itself or by the function that it calls."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        place = 0 if name in self.reader.problems else 1 if name in LINES else None
        if place is not None and len(node.args) > place:
            if isinstance(node.args[place], ast.Starred):
                return
            commands = self.commands(node.args[place + 1 :], known)
            line = f"`{self.texts(node.args[0], known)[0]}` as {name}" if place else ""
            for text in self.texts(node.args[place], known):
                again = name in self.reader.unfinished
                self.found.append(Message(in_one_line(text), commands, again, line, self.module))
            return
        where = self.reader.find(self.module, name)
        if where is None:
            return
        function = self.reader.modules[where[0]].functions[where[1]]
        for message in self.reader.summary(*where):
            if starts_open(message):
                self.found += message.filled(self.given(function, node, known))

    def given(self, function: ast.FunctionDef, node: ast.Call, known: Known) -> Known:
        """Return what a call gives for each parameter."""
        arguments = function.args
        names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
        given = {}
        if arguments.defaults:
            for name, value in zip(
                names[-len(arguments.defaults) :], arguments.defaults, strict=True
            ):
                given[name] = self.texts(value, {})
        for name, value in zip(names, node.args, strict=False):
            if not isinstance(value, ast.Starred):
                given[name] = self.texts(value, known)
        if arguments.vararg:
            further = node.args[len(names) :]
            given[f"*{arguments.vararg.arg}"] = [*self.commands(further, known)]
        for keyword in node.keywords:
            if keyword.arg:
                given[keyword.arg] = self.texts(keyword.value, known)
        return given

    def commands(self, nodes: list[ast.expr], known: Known) -> tuple[str, ...]:
        """Return the commands that arguments stand for, as far as they can be read."""
        self.usual = True
        found = [text for node in nodes for text in self.many(node, known)]
        self.usual = False
        return tuple(found)

    def many(self, node: ast.expr, known: Known) -> list[str]:
        """Return the texts in a list, a tuple, or what a function returns as one."""
        if isinstance(node, ast.Starred):
            return self.many(node.value, known)
        if isinstance(node, ast.Name) and f"*{node.id}" in known:
            return known[f"*{node.id}"]
        if isinstance(node, ast.Tuple | ast.List):
            return [text for each in node.elts for text in self.many(each, known)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return self.many(node.left, known)
        if isinstance(node, ast.BinOp) and isinstance(node.left, ast.List | ast.Tuple):
            return [*self.many(node.left, known), *self.many(node.right, known)]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and self.depth < DEEPEST:
            where = self.reader.find(self.module, node.func.id)
            if where:
                walk = Walk(self.reader, where[0], self.depth + 1, self.usual)
                walk.follow(where[1])
                function = self.reader.modules[where[0]].functions[where[1]]
                given = self.given(function, node, known)
                usual = walk.returned[-1] if walk.returned else []
                return [full.text for text in usual for full in first(Message(text).filled(given))]
        texts = self.texts(node, known)
        return [text for text in texts[:1] if text.strip("…") and not text.isupper()]

    def texts(self, node: ast.expr, known: Known) -> list[str]:
        """Return the texts that an expression can have, at most MOST."""
        found = dict.fromkeys(self.alternatives(node, known))
        return sorted(found, key=lambda text: not text)[:MOST] or [""]

    def alternatives(self, node: ast.expr, known: Known) -> list[str]:
        """Return the texts that an expression can have, some of them twice."""
        if isinstance(node, ast.Constant):
            return [str(node.value)]
        if isinstance(node, ast.JoinedStr):
            return joined([self.texts(part, known) for part in node.values])
        if isinstance(node, ast.FormattedValue):
            texts = self.texts(node.value, known)
            return [f"'{text}'" for text in texts] if node.conversion == ord("r") else texts
        if isinstance(node, ast.IfExp):
            return self.texts(node.body, known) + self.texts(node.orelse, known)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return joined([self.texts(node.left, known), self.texts(node.right, known)])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return [""] if self.usual else [*self.texts(node.left, known), ""]
        if isinstance(node, ast.BoolOp):
            return self.texts(node.values[0], known)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict):
            return [text for value in node.value.values for text in self.texts(value, known)]
        if isinstance(node, ast.Subscript):
            key = node.slice
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                return [placeholder(key.value.replace("-", "_"))]
            if isinstance(key, ast.Name):
                return self.entries(node.value) or [placeholder(key.id)]
            return self.alternatives(node.value, known)
        if isinstance(node, ast.Name):
            return self.named(node.id, known)
        if isinstance(node, ast.Attribute):
            return [placeholder(node.attr)]
        if isinstance(node, ast.Call):
            return self.called(node, known)
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            return self.texts(node.elt, known)
        return ["…"]

    def named(self, name: str, known: Known) -> list[str]:
        """Return the texts that a variable or a constant can have."""
        if name in known:
            return known[name]
        found = self.constant(name)
        if found and isinstance(found[1], ast.Constant | ast.JoinedStr | ast.BinOp):
            return Walk(self.reader, found[0], self.depth).texts(found[1], {})
        return [placeholder(name)]

    def constant(self, name: str) -> tuple[str, ast.expr] | None:
        """Return the module of a constant, and what it is there."""
        imported = self.reader.modules[self.module].imported
        module, key = imported.get(name, (self.module, name))
        source = self.reader.modules.get(module)
        return (module, source.constants[key]) if source and key in source.constants else None

    def entries(self, node: ast.expr) -> list[str]:
        """Return the sentences of a constant table, nothing where it holds words."""
        found = self.constant(node.id) if isinstance(node, ast.Name) else None
        if found is None or not isinstance(found[1], ast.Dict):
            return []
        walk = Walk(self.reader, found[0], self.depth)
        texts = [text for value in found[1].values for text in walk.texts(value, {})]
        texts = [re.sub(r"\{(\w+)\}", lambda name: placeholder(name[1]), each) for each in texts]
        return texts if all(len(text.split()) > 3 for text in texts) else []

    def called(self, node: ast.Call, known: Known) -> list[str]:
        """Return the texts that a call can give."""
        function = node.func
        if isinstance(function, ast.Attribute):
            return self.method(function, node.args, known)
        if not isinstance(function, ast.Name):
            return ["…"]
        if function.id == "len":
            return ["N"]
        if function.id in ("str", "sorted", "repr", "quote", "list", "map") and node.args:
            return self.texts(node.args[-1], known)
        where = self.reader.find(self.module, function.id)
        if where and self.depth < DEEPEST:
            called = self.reader.modules[where[0]].functions[where[1]]
            if isinstance(called.returns, ast.Name) and called.returns.id == "str":
                walk = Walk(self.reader, where[0], self.depth + 1, self.usual)
                walk.follow(where[1])
                given = self.given(called, node, known)
                texts = [text for each in walk.returned for text in each if text][:MOST]
                known_texts = [full.text for text in texts for full in Message(text).filled(given)]
                return known_texts or [placeholder(function.id)]
        return [placeholder(function.id)]

    def method(self, function: ast.Attribute, given: list[ast.expr], known: Known) -> list[str]:
        """Return the texts that a method can give: those of what it is asked of, or is given."""
        if function.attr == "get" and self.entries(function.value):
            return self.entries(function.value)
        if function.attr == "get" and given and isinstance(given[0], ast.Constant):
            return [placeholder(str(given[0].value).replace("-", "_"))]
        if function.attr == "join" and isinstance(given[0], ast.List | ast.Tuple):
            between = function.value.value if isinstance(function.value, ast.Constant) else " "
            return self.joined_by(str(between), given[0], known)
        if function.attr in ("join", "dumps", "quote", "sub") and given:
            return self.texts(given[-1], known)
        if function.attr in OF_TEXTS:
            return self.texts(function.value, known)
        if function.attr in ("get", "search", "match"):
            return ["…"]
        return [placeholder(function.attr)]

    def joined_by(self, between: str, node: ast.List | ast.Tuple, known: Known) -> list[str]:
        """Return the texts that the elements of a list make together."""
        parts: list[list[str]] = []
        for each in node.elts:
            texts = ["…"] if isinstance(each, ast.Starred) else self.texts(each, known)
            parts += [[between], texts] if parts else [texts]
        return joined(parts)


def first(messages: Iterator[Message]) -> Iterator[Message]:
    """Return the first of some messages alone."""
    return itertools.islice(messages, 1)


def in_one_line(text: str) -> str:
    """Return a text in one line; what begins a new line is a sentence of its own."""
    return " ".join(re.sub(r"(?<![.:?\s]) *\n", ". ", text).split())


def joined(parts: list[list[str]]) -> list[str]:
    """Return the texts that parts make together, each part with each of its texts."""
    return ["".join(each) for each in itertools.islice(itertools.product(*parts), MOST)]
