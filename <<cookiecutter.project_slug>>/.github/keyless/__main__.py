"""The command line: python3 .github/keyless COMMAND.

A command imports what it needs only when it runs, so `publish` works without PyYAML.
"""

import sys

if __name__ == "__main__":
    # Python puts this folder first on the path, where any file in it could shadow a module. It is
    # removed before the first import, and the package is loaded by its place instead. (Tried with
    # Python 3.6 to 3.13, through links, with -P and -I; 2026-11.)
    sys.path.pop(0)

    import importlib.util
    from pathlib import Path

    HERE = Path(__file__).resolve().parent
    SPEC = importlib.util.spec_from_file_location(
        "keyless", HERE / "__init__.py", submodule_search_locations=[str(HERE)]
    )
    if SPEC is None or SPEC.loader is None:
        sys.exit(f"{HERE} cannot be loaded as a package. Restore the folder from Git.")
    PACKAGE = importlib.util.module_from_spec(SPEC)
    sys.modules["keyless"] = PACKAGE
    SPEC.loader.exec_module(PACKAGE)

    from keyless.commands import main

    sys.exit(main(sys.argv[1:]))
