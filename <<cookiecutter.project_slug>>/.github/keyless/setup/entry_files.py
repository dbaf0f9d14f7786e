"""Writing entries: the files with values, and the files in services/ that follow from them."""

from __future__ import annotations

from pathlib import Path

from keyless.console import Problem, wrapped
from keyless.model.account import Account, parse_account
from keyless.model.findings import CannotJudge
from keyless.paths import ROOT
from keyless.setup.requested import ADD
from keyless.setup.service_files import (
    SERVICES_FOLDER,
    is_written_here,
    own_name,
    service_files,
)
from keyless.writing import read_text, write_text


def write_entries(account: Account, texts: dict[str, str], keys: list[str]) -> None:
    """Write files, and those in services/ for some entries.

    If infra/ was rewritten, the files in services/ are not known: then it prints why.

    Args:
        account: with the entries as they are.
        texts: the files to write, by path; entries in them replace those of the account.
        keys: of the entries whose files in services/ are written; others only if they exist.

    Raises:
        Problem: one of these files was not written by this tool, so nothing is written.
    """
    values = {path: texts[path] for path in texts if path.endswith(".tfvars.json")}
    now = parse_account({**account.texts, **values})
    outputs: dict[str, str] = {}
    try:
        outputs = service_files(now, own_name(now))
    except CannotJudge as reason:
        print(wrapped(f"{SERVICES_FOLDER}/ is not written: {reason}"))
    has = {path: read_text(ROOT / path) for path in outputs if (ROOT / path).is_file()}
    asked = {path for path in outputs if Path(path).stem in keys}
    foreign = {path for path in asked | {*has} if path in has and not is_written_here(has[path])}
    if foreign & asked:
        first = min(foreign)
        text = f"{first} was not written by this tool, so nothing was changed. Move it away."
        raise Problem(text, ADD)
    every = {**texts, **{path: outputs[path] for path in sorted((asked | {*has}) - foreign)}}
    for path in every:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
    for path, text in every.items():
        write_text(ROOT / path, text)


def remove_service_files(key: str) -> None:
    """Remove the files in services/ that this tool has written for an entry."""
    for path in (ROOT / f"{SERVICES_FOLDER}/{key}.json", ROOT / f"{SERVICES_FOLDER}/{key}.yml"):
        if path.is_file() and is_written_here(read_text(path)):
            path.unlink()
