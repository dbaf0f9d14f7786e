"""keyless: prove, set up, publish and update a repository that stores no AWS key.

The package is loaded by `__main__.py`, so that no file of the repository can shadow a module.
README.md in this folder explains the layout.
"""
