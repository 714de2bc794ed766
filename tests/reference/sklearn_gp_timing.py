"""Likelihood that scikit-learn reaches for one kernel shared by 20 outputs, added to tests/suite/sklearn_gp.json; prints seconds.

Run by hand after sklearn_gp.py: python3 tests/reference/sklearn_gp_timing.py
"""
import json
import time
import warnings

import numpy as np
import sklearn
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn_gp import OUT

STARTS = 4


def data():
    """200 samples, 8 inputs of falling importance, 20 smooth outputs with one per cent of noise; rounded, then standardised by both sides."""
    rng = np.random.default_rng(7)
    x = rng.uniform(-1, 1, (200, 8))
    importance = 0.7 ** np.arange(8)
    phases = rng.normal(size=(20, 8)) * importance
    y = np.sin(1.5 * x @ phases.T + rng.uniform(0, 3, 20)) + 0.01 * rng.normal(size=(200, 20))
    return np.round(x, 6), np.round(y, 6)


def main():
    x, y = data()
    standard = lambda a: (a - a.mean(0)) / a.std(0)
    kernel = ConstantKernel(1.0) * Matern(np.ones(8), nu=2.5) + WhiteKernel(1e-2, (1e-10, 1e5))
    gp = GaussianProcessRegressor(kernel, alpha=0.0, n_restarts_optimizer=STARTS - 1, random_state=0)
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gp.fit(standard(x), standard(y))
    seconds = time.perf_counter() - begin
    fixture = json.loads(OUT.read_text())
    fixture["shared_kernel"] = {
        "scikit-learn": sklearn.__version__, "starts": STARTS, "log_likelihood": float(gp.log_marginal_likelihood_value_),
        "kernel": str(gp.kernel_), "x": x.tolist(), "y": y.tolist(),
    }
    OUT.write_text(json.dumps(fixture, indent=1) + "\n")
    print(f"scikit-learn {sklearn.__version__}: {seconds:.2f} s, log likelihood {gp.log_marginal_likelihood_value_:.6f}, {gp.kernel_}")


if __name__ == "__main__":
    main()
