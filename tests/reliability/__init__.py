"""`make crash`: what safety promises, as figures, found by breaking the shipped commands.

Each module here breaks one thing and returns its figures. `BRIEF=1` is what CI runs (some two
minutes), `FULL=1` reaches every figure of docs/reliability.md, and the default a tenth of them.
"""
