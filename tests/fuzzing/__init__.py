"""Mutated media by the hundred thousand: `python -m tests.fuzz`. Every case is made again from its seed and number."""
