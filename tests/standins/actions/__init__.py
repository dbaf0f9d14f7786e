"""Stand-ins for the actions that the workflow uses; tests/standins/runner.py puts them in place."""
