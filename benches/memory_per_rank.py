"""Peak memory of each rank of `kolmo predict` and `kolmo validate` on 2 ranks, beside that of one process.

    cargo build --release --features mpi
    python3 benches/memory_per_rank.py [KOLMO]        # needs NumPy, h5py and mpirun; about a minute

A field on 400,000 points of a box of hexahedra, 60 modes. Each rank holds the rows of its piece: at most 0.6 of one process.
"""

import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

SIDE, MODES, TRAIN, TEST = 73, 60, 62, 4
LIMIT = 0.6
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--mca", "btl_vader_single_copy_mechanism", "none"]
# Runs a command as its only child and tells the peak of its resident memory (kB).
WATCH = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True)
sys.exit(code)
"""


def write(path, seed, n_samples):
    """Sums of waves over a box of SIDE^3 hexahedra."""
    n = SIDE + 1
    axis = np.arange(n) / SIDE
    z, y, x = (a.ravel() for a in np.meshgrid(axis, axis, axis, indexing="ij"))
    i = np.arange(SIDE)
    first = ((i[:, None, None] * n + i[None, :, None]) * n + i[None, None, :]).ravel()
    cells = first[:, None] + np.array([0, 1, n + 1, n, n * n, n * n + 1, n * n + n + 1, n * n + n])
    rng = np.random.default_rng(seed)
    mu = rng.uniform(size=(n_samples, 2))
    with h5py.File(path, "w") as f:
        f["mesh/points"] = np.stack([x, y, z], axis=1)
        f["mesh/cells"] = cells.astype(np.int32)
        f["parameters"] = mu
        f["parameters"].attrs["names"] = ["a", "b"]
        data = f.create_dataset("snapshots/u", (n_samples, n**3), dtype="f8")
        for s, (a, b) in enumerate(mu):
            data[s] = np.sin(3 * a * x + y) * np.cos(2 * b * z) + 0.1 * rng.standard_normal(n**3)
    return n**3


def peaks(folder, ranks, command):
    """Peak memory (MB) of each rank."""
    launcher = MPIRUN + ["-n", str(ranks)] if ranks > 1 else []
    done = subprocess.run(
        launcher + [sys.executable, "-c", WATCH] + command, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return [int(line.split()[1]) / 1e3 for line in done.stdout.splitlines() if line.startswith("peak")]


def main():
    built = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "target", "release", "kolmo")
    kolmo = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else built)
    with tempfile.TemporaryDirectory() as folder:
        n = write(os.path.join(folder, "train.h5"), 0, TRAIN)
        write(os.path.join(folder, "test.h5"), 1, TEST)
        np.savetxt(os.path.join(folder, "p.csv"), np.random.default_rng(2).uniform(size=(8, 2)), delimiter=",",
                   header="a,b", comments="")
        for product in ["l2", "euclidean"]:
            with open(os.path.join(folder, f"{product}.toml"), "w", encoding="utf-8") as study:
                study.write(f'[data]\nsamples = "train.h5"\n[reduction]\nmodes = {MODES}\ninner_product = "{product}"\n')
            fit = [kolmo, "fit", f"{product}.toml", "-o", f"{product}.h5", "--quiet"]
            subprocess.run(fit, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        print(f"u on {n:,} points, {MODES} modes: a basis of {8 * n * MODES / 1e6:.0f} MB; peak resident memory")
        print(f"{'':<44} {'1 process':>10} {'rank 0':>9} {'rank 1':>9}  largest share")
        wide = False
        for what, args in [
            ("predict, one point, .pvtu", ["predict", "l2.h5", "--at", "a=0.4,b=0.6", "-o", "out.pvtu"]),
            ("predict, 8 points, .pvd", ["predict", "l2.h5", "--parameters", "p.csv", "-o", "out.pvd"]),
            ("predict, 8 points, .h5", ["predict", "l2.h5", "--parameters", "p.csv", "-o", "out.h5"]),
            (f"validate, {TEST} samples, l2", ["validate", "l2.h5", "--data", "test.h5"]),
            (f"validate, {TEST} samples, euclidean", ["validate", "euclidean.h5", "--data", "test.h5"]),
        ]:
            # One thread each: stacks and arenas of threads are no part of the model.
            command = [kolmo] + args + ["--threads", "1", "--quiet"]
            (serial,), ranks = peaks(folder, 1, command), peaks(folder, 2, command)
            share = max(ranks) / serial
            wide |= share > LIMIT
            both = " ".join(f"{r:6.0f} MB" for r in ranks)
            print(f"{what:<44} {serial:7.0f} MB {both}  {share:.2f}")
        if wide:
            sys.exit(f"more than {LIMIT}")


if __name__ == "__main__":
    main()
