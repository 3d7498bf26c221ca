"""What the one process that others are copied from imports: everything of theirs, set apart so that a copy need not go over it again."""

import gc

import pytest  # the copies import the program that runs the tests

from tests.chaos import served

gc.collect()
gc.freeze()

__all__ = ["pytest", "served"]
