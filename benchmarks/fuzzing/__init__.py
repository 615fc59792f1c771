"""Files from strangers, made at random: valid ones spoilt as their format suggests, and readers that must not mind.

`specimens` makes valid files, `mutations` and `binaries` spoil them, `readers` says who opens them, and `worker` opens
them in a process of its own, under a limit of time and memory. `python -m benchmarks.fuzz` and tests/test_fuzz.py use
them.
"""
