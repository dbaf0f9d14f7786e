"""Take a repository to another version of the template, or to other answers.

Each function gets the root of the repository: the tool of a newer template may run for one that
stands elsewhere.
"""
