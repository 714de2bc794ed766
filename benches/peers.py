"""The jobs of benches/kernels.rs in NumPy and scikit-learn: least seconds of a few repetitions.

Run by hand: python3 benches/peers.py
"""
import json
import os
import pathlib
import platform
import time
import warnings

# Left-over tuning of a machine: a wrong core type makes OpenBLAS slow, which would flatter us. Read when NumPy loads.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

try:
    import numpy as np
except ImportError:
    raise SystemExit("missing: numpy (pip install numpy scikit-learn)")
try:
    import sklearn
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
except ImportError:
    sklearn = None

N_DOFS, N_SNAPSHOTS, N_POINTS = 100_000, 200, 1000
FIXTURE = pathlib.Path(__file__).resolve().parent.parent / "tests/suite/sklearn_gp.json"


def best(repeats, f):
    def once():
        start = time.perf_counter()
        f()
        return time.perf_counter() - start

    return min(once() for _ in range(repeats))


def row(name, seconds, flops=None):
    rate = f"{flops / seconds / 1e9:.1f} GF/s" if flops else ""
    print(f"{name:<56} {seconds:>10.2e} {rate:>11}", flush=True)


def matrix(n, r):
    i, j = np.arange(n)[:, None], np.arange(r)[None, :]
    return np.asfortranarray((i * 7 + j * 13 + i * j % 17) % 101 / 50.0 - 1.0)


def snapshots():
    x = np.arange(N_DOFS)[:, None] / N_DOFS - np.arange(N_SNAPSHOTS)[None, :] / N_SNAPSHOTS
    return np.asfortranarray(1 / (1 + 100 * x * x) + 1e-6 * matrix(N_DOFS, N_SNAPSHOTS))


def method_of_snapshots(x, n_modes):
    squares, vectors = np.linalg.eigh(x.T @ x)
    sigma = np.sqrt(np.maximum(squares[::-1], 0))
    return x @ (vectors[:, ::-1][:, :n_modes] / sigma[:n_modes])


def linear_algebra():
    x = snapshots()
    square = N_SNAPSHOTS**2 * N_DOFS
    row("Gram 100,000 x 200 (n² m operations)", best(5, lambda: x.T @ x), square)
    row("QR 100,000 x 200, R only (2 n² m)", best(2, lambda: np.linalg.qr(x, mode="r")), 2 * square)
    row("Gram and eigh 100,000 x 200, 20 modes (n² m)", best(5, lambda: method_of_snapshots(x, 20)), square)
    row("SVD 100,000 x 200 (2 n² m)", best(2, lambda: np.linalg.svd(x, full_matrices=False)), 2 * square)


def one_point(n, r, place):
    v, c, w, shift, base = matrix(n, r), np.full(r, 1.5), np.full(r, 0.2), np.full(n, 0.5), np.full(n, 0.1)
    row(f"one point, {place}: field", best(10, lambda: v @ c + shift))
    row(f"one point, {place}: field and deviation", best(5, lambda: (v @ c + shift, np.sqrt(v**2 @ w + base))))


def batch(r, out):
    v, c = matrix(N_DOFS, r), matrix(r, N_POINTS)
    w, shift, base = np.abs(c), np.full((N_DOFS, 1), 0.5), np.full((N_DOFS, 1), 0.1)
    flops = 2 * N_DOFS * r * N_POINTS

    def fields():
        np.matmul(v, c, out=out)
        np.add(out, shift, out=out)

    def deviations():
        np.matmul(v**2, w, out=out)
        np.add(out, base, out=out)
        np.sqrt(out, out=out)

    row(f"1,000 points, 100,000 x {r}: product alone", best(4, lambda: np.matmul(v, c, out=out)), flops)
    row(f"1,000 points, 100,000 x {r}: fields", best(4, fields), flops)
    row(f"1,000 points, 100,000 x {r}: deviations", best(4, deviations), flops)


def gaussian_process():
    if sklearn is None:
        return print("missing: scikit-learn (pip install scikit-learn): no Gaussian process")
    case = json.loads(FIXTURE.read_text())["shared_kernel"]
    standard = lambda a: (a - a.mean(0)) / a.std(0)
    x, y = standard(np.array(case["x"])), standard(np.array(case["y"]))
    kernel = ConstantKernel(1.0) * Matern(np.ones(8), nu=2.5) + WhiteKernel(1e-2, (1e-10, 1e5))
    gp = GaussianProcessRegressor(kernel, alpha=0.0, n_restarts_optimizer=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row("GP fit 200 x 8, 20 outputs, one kernel, 4 starts", best(1, lambda: gp.fit(x, y)))
    for n in (1, 1000):
        points = np.random.default_rng(0).uniform(-1, 1, (n, 8))
        name = f"coefficients of 20 modes, 200 samples, {n} point{'s' if n > 1 else ''}"
        row(name, best(5, lambda: gp.predict(points, return_std=True)))


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    versions = f"NumPy {np.__version__}, scikit-learn {sklearn.__version__ if sklearn else 'missing'}"
    print(f"Python {platform.python_version()}, {versions}; {processor()}, {os.cpu_count()} threads")
    linear_algebra()
    gaussian_process()
    one_point(1_000_000, 50, "1,000,000 x 50")
    one_point(N_DOFS, 20, "100,000 x 20 (in cache)")
    out = np.empty((N_DOFS, N_POINTS), order="F")
    for r in (20, 50, 100):
        batch(r, out)


if __name__ == "__main__":
    main()
