"""Start the package that judges the generated repository and prints the next commands.

The code is in post_gen/, beside this file in the template. Only this file is rendered before it
runs, so its text must not contain a template delimiter.
"""

import os
import sys

# This file is started in the folder for temporary files, where others may have put modules.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(__file__)]

import importlib.util
import json
from pathlib import Path
from typing import Any

# Pasted into a literal, an answer could run as code; JSON escapes every quote and delimiter.
ANSWERS: dict[str, Any] = json.loads(r'''<< cookiecutter | tojson >>''')  # fmt: skip
TEMPLATE = Path(json.loads(r'''<< template_folder | tojson >>'''))  # fmt: skip


def load(folder: Path) -> None:
    """Load a package by its place, so that no other package of that name is loaded."""
    spec = importlib.util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        sys.exit(f"{folder} cannot be loaded. Get the template again.")
    sys.modules[folder.name] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)


if __name__ == "__main__":
    load(TEMPLATE / "hooks/post_gen")
    from post_gen.main import main  # type: ignore[import-not-found]  # loaded by its place

    sys.exit(main(ANSWERS))
