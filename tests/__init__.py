"""The tests, and the rehearsal that `make rehearse` runs."""
