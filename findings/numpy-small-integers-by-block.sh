#!/bin/sh
# NumPy 2.4.6: Generator.integers() of 8- or 16-bit types (and of bool) draws other numbers when they are drawn in blocks.
#
# Expected: n draws are the same n numbers in one call and in several; so it is for normal, poisson, gamma, binomial,
# choice, random, and integers of 32 and 64 bits, all of which were compared.
# Seen: for int8, uint8, int16, uint16 and bool each call throws away what is left of the last 32 bits that it drew, so
# 12 numbers in one call are not 1 + 3 + 5 + 3, and the generator stands elsewhere afterwards: all later draws differ
# too. A simulation that saves memory by dtype="int16" is no longer the same for any size of block. Draw int64 (or
# int32) and cast.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install numpy==2.4.6
cat >"$folder/try.py" <<'PY'
import sys

import numpy as np


def same(draw):
    """Whether 12 draws in one call and in four are the same, and what a later draw is after each."""
    one, four = np.random.default_rng(7), np.random.default_rng(7)
    whole = draw(one, 12)
    parts = np.concatenate([draw(four, size) for size in (1, 3, 5, 3)])
    return bool((whole == parts).all()), bool(one.random() == four.random())


draws = {f"integers {dtype}": lambda g, n, dtype=dtype: g.integers(0, 2, n, dtype=dtype) for dtype in ("bool",)}
for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"):
    draws[f"integers {dtype}"] = lambda g, n, dtype=dtype: g.integers(0, 100, n, dtype=dtype)
draws |= {
    "normal": lambda g, n: g.normal(size=n), "float32 normal": lambda g, n: g.standard_normal(n, dtype="f4"),
    "float32 random": lambda g, n: g.random(n, dtype="f4"), "poisson": lambda g, n: g.poisson(20, n),
    "gamma": lambda g, n: g.gamma(0.5, size=n), "binomial": lambda g, n: g.binomial(10, 0.3, n), "choice": lambda g, n: g.choice(10, n),
}
print("numpy", np.__version__)
results = {name: same(draw) for name, draw in draws.items()}
for name, (draws_same, later_same) in results.items():
    print(f"{name:15} {'the same' if draws_same else 'other numbers':14} later: {'the same' if later_same else 'other numbers'}")
small = {f"integers {dtype}" for dtype in ("bool", "int8", "uint8", "int16", "uint16")}
sys.exit(0 if all(result == ((False, False) if name in small else (True, True)) for name, result in results.items()) else 1)
PY
"$folder/venv/bin/python" "$folder/try.py"
