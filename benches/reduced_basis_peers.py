"""Online solution of the reduced matrices of benches/reduced_basis.rs in NumPy and pyMOR, one BLAS thread.

Started by that bench with the file of matrices; ends with exit code 1 where pyMOR is missing.
"""
import os
import sys
import time

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

try:
    import numpy as np
    import pymor
    from pymor.core.logger import set_log_levels
    from pymor.models.basic import StationaryModel
    from pymor.operators.constructions import LincombOperator, VectorOperator
    from pymor.operators.numpy import NumpyMatrixOperator
    from pymor.parameters.functionals import ProjectionParameterFunctional
except ImportError:
    raise SystemExit(1)

set_log_levels({"pymor": "ERROR"})
N_POINTS = 1000


def read(path):
    with open(path) as f:
        n, d = map(int, f.readline().split())
        numbers = np.loadtxt(f, max_rows=n * d).reshape(d, n, n)
        return numbers, np.loadtxt(f, max_rows=n)


def least(f, repeats):
    def once():
        start = time.perf_counter()
        f()
        return time.perf_counter() - start

    return min(once() for _ in range(repeats))


def main():
    matrices, rhs = read(sys.argv[1])
    d, n = matrices.shape[:2]
    theta = np.random.default_rng(2).uniform(0.1, 1.0, (N_POINTS, d))
    print(f"pyMOR {pymor.__version__}, NumPy {np.__version__}, {n} modes, {d} terms")

    def solve():
        return np.linalg.solve(np.tensordot(theta[0], matrices, 1), rhs)

    def batch():
        return np.linalg.solve(np.tensordot(theta, matrices, 1), np.broadcast_to(rhs, (N_POINTS, n))[..., None])

    print(f"numpy, solve {1e6 * least(solve, 2000):8.2f} µs; batch of {N_POINTS} {1e3 * least(batch, 10):7.2f} ms")
    functionals = [ProjectionParameterFunctional("mu", size=d, index=q) for q in range(d)]
    operator = LincombOperator([NumpyMatrixOperator(m) for m in matrices], functionals)
    load = NumpyMatrixOperator(rhs[:, None])
    model = StationaryModel(operator, load)
    mus = [model.parameters.parse({"mu": row}) for row in theta]
    found = model.solve(mus[0]).to_numpy().ravel()
    assert np.allclose(found, solve(), rtol=1e-10), "pyMOR and NumPy differ"
    one = least(lambda: model.solve(mus[0]), 500)
    all_points = least(lambda: [model.solve(mu) for mu in mus], 3)
    print(f"pyMOR, StationaryModel.solve {1e6 * one:8.2f} µs; {N_POINTS} points one by one {1e3 * all_points:7.2f} ms")


if __name__ == "__main__":
    main()
