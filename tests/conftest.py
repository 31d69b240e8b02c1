"""For all tests: they run in two processes (`-n 2` in pyproject.toml; `pytest -n 0` runs them in one, for a debugger)."""

import os

# One thread a process, so that the two do not fight over the cores. Read when torch is imported, hence before anything.
os.environ.setdefault("OMP_NUM_THREADS", "1")
