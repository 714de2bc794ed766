"""The jobs of benches/eim.rs in pyMOR and SciPy, on the matrices that it wrote into a folder: CPU seconds of one BLAS thread.

Leaves the seconds of 5 runs, the points and, of ei_greedy, the basis there.
"""

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import sys
import time

import numpy as np

FOLDER, N_POINTS, REPEATS = sys.argv[1], int(sys.argv[2]), 5
X = np.load(os.path.join(FOLDER, "snapshots.npy"))
V = np.load(os.path.join(FOLDER, "basis.npy"))


def run(name, job):
    seconds = []
    for _ in range(REPEATS):
        begin = time.process_time()
        result = job()
        seconds.append(time.process_time() - begin)
    points, basis = result
    np.save(os.path.join(FOLDER, name + "_seconds.npy"), np.array(seconds))
    np.save(os.path.join(FOLDER, name + "_points.npy"), np.asarray(points, dtype=np.int64))
    if basis is not None:
        np.save(os.path.join(FOLDER, name + "_basis.npy"), np.ascontiguousarray(basis))
    print(f"{name:24} {np.median(seconds):8.3f} CPU s, from {min(seconds):.3f} to {max(seconds):.3f}", flush=True)


try:
    import scipy
    import scipy.linalg as sl

    print(f"NumPy {np.__version__}, SciPy {scipy.__version__}")
    run("q_deim_scipy", lambda: (sl.qr(V.T, pivoting=True, mode="economic")[2][: V.shape[1]], None))
except ImportError:
    print("scipy is missing")

try:
    import pymor
    from pymor.algorithms.ei import deim, ei_greedy, qdeim
    from pymor.core.logger import set_log_levels
    from pymor.vectorarrays.numpy import NumpyVectorSpace

    print(f"pyMOR {pymor.__version__}")
    set_log_levels({"pymor": "ERROR"})

    def array(x):
        found = NumpyVectorSpace.from_numpy(x)
        return found if found.dim == x.shape[0] else NumpyVectorSpace.from_numpy(np.ascontiguousarray(x.T))

    def values(found):
        x = found.to_numpy()
        return x if x.shape[0] == found.dim else x.T

    def greedy(norm):
        points, basis, _ = ei_greedy(U, error_norm=norm, max_interpolation_dofs=N_POINTS)
        return points, values(basis)

    U, B = array(X), array(V)
    run("deim_pymor", lambda: (deim(B.copy(), pod=False)[0], None))
    run("q_deim_pymor", lambda: (qdeim(B.copy(), pod=False)[0], None))
    run("eim_maximum", lambda: greedy("sup"))
    run("eim_euclidean", lambda: greedy(None))
except ImportError:
    print("pymor is missing")
