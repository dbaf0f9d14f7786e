"""Stand-ins for the actions that the workflow uses; tests/runner.py puts them in place."""
