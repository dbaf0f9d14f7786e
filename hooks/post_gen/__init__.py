"""What the hook does after a repository is generated: clean, judge, print what comes next.

post_gen_project.py loads this package by its place. It is plain Python, read from the template and
not rendered: answers arrive as a dictionary.
"""
