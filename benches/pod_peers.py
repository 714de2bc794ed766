"""The job of benches/pod.rs in NumPy, SciPy and pyMOR: CPU seconds of one BLAS thread, median of 3, and peak memory."""

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import resource
import sys
import time

import numpy as np

M, N, K, DECADES = 1_000_000, 200, 50, 14.0


def cosine(n, columns):
    i = np.arange(n) + 0.5
    c = np.sqrt(2.0 / n) * np.cos(np.pi * np.outer(i, np.arange(columns)) / n)
    c[:, 0] = np.sqrt(1.0 / n)
    return c


SIGMA = 10.0 ** (-DECADES * np.arange(N) / (N - 1))
X = np.empty((M, N))
RIGHT = SIGMA[:, None] * cosine(N, N).T
for start in range(0, M, 50_000):
    i = np.arange(start, start + 50_000) + 0.5
    left = np.sqrt(2.0 / M) * np.cos(np.pi * np.outer(i, np.arange(N)) / M)
    left[:, 0] = np.sqrt(1.0 / M)
    X[start : start + 50_000] = left @ RIGHT


def show(name, job, floor, repeats=3):
    seconds = []
    for _ in range(repeats):
        begin = time.process_time()
        sigma = np.asarray(job())
        seconds.append(time.process_time() - begin)
    above = SIGMA[: len(sigma)] > floor
    worst = np.max(np.abs(sigma[above] / SIGMA[: len(sigma)][above] - 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"{name:50} {np.median(seconds):6.2f} CPU s  peak so far {peak:.2f} GB  sigma above {floor:.0e}: off by {worst:.1e}", flush=True)


def gram():
    return np.sqrt(np.maximum(np.linalg.eigvalsh(X.T @ X)[::-1], 0))


show("numpy, Gram and eigh (no modes)", gram, 1e-7)
try:
    import scipy.linalg as sl

    def qr():
        q, r = sl.qr(X, mode="economic", check_finite=False)
        u, s, _ = sl.svd(r)
        q @ u[:, :K]
        return s

    show("scipy, QR and SVD of R, 50 modes", qr, 1e-12, 1)
except ImportError:
    print("scipy is missing")
show("numpy, SVD", lambda: np.linalg.svd(X, full_matrices=False)[1], 1e-12, 1)
try:
    from pymor.algorithms.pod import pod
    from pymor.core.logger import set_log_levels
    from pymor.vectorarrays.numpy import NumpyVectorSpace

    set_log_levels({"pymor": "ERROR"})
    A = NumpyVectorSpace.from_numpy(X.T.copy() if "--rows" in sys.argv else X)
    if A.dim != M:
        A = NumpyVectorSpace.from_numpy(np.ascontiguousarray(X.T))
    show("pyMOR, method of snapshots, cut at 1e-7", lambda: pod(A, rtol=1e-7, method="method_of_snapshots", orth_tol=None)[1], 1e-7, 1)
    show("pyMOR, qr_svd, 50 modes", lambda: pod(A, modes=K, method="qr_svd", orth_tol=None)[1], 1e-12, 1)
except ImportError:
    print("pymor is missing")
