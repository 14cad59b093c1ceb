"""What a remote probe costs, held against the tools it replaces and against the floor of one byte.

python -m tests.benchmarks                               # the whole table (as root, on Linux)
python -m tests.benchmarks --write docs/benchmarks.md    # and keep it
python -m tests.benchmarks --quick --only fast8,tail8    # a first look
"""
