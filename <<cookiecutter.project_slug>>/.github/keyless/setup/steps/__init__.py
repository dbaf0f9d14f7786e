"""The steps of bootstrap: each module looks at one concern, and adds what is missing there."""
