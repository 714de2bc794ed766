"""Reference figures of Gaussian processes from scikit-learn, written to tests/suite/sklearn_gp.json.

Run by hand: python3 tests/reference/sklearn_gp.py. Data of the supersonic step: KOLMO_DATA or ../shared/data.
"""
import json
import os
import pathlib

import numpy as np
import scipy
import sklearn
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "suite" / "sklearn_gp.json"
DATA = pathlib.Path(os.environ.get("KOLMO_DATA", HERE.parents[2] / "shared" / "data"))
KERNELS = {
    "matern52": lambda l: Matern(l, nu=2.5),
    "matern32": lambda l: Matern(l, nu=1.5),
    "squared-exponential": lambda l: RBF(l),
}


def posterior(name, seed):
    """Mean, deviation and likelihood at fixed hyper-parameters."""
    rng = np.random.default_rng(seed)
    n, d, m = 30, 3, 7
    x, x_new = rng.uniform(-1, 1, (n, d)), rng.uniform(-1.2, 1.2, (m, d))
    y = np.stack([np.sin(2 * x[:, 0]) + x[:, 1] ** 2, np.exp(x[:, 2]) - x[:, 0]], 1) + 0.01 * rng.normal(size=(n, 2))
    lengths, signal, noise = np.array([0.7, 1.3, 2.1]), 1.7, 1e-3
    kernel = ConstantKernel(signal) * KERNELS[name](lengths) + WhiteKernel(noise)
    gp = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(x, y)
    mean, std = gp.predict(x_new, return_std=True)
    return {
        "kernel": name, "length_scales": lengths.tolist(), "signal_variance": signal, "noise_variance": noise,
        "x": x.tolist(), "y": y.tolist(), "x_new": x_new.tolist(), "mean": mean.tolist(), "std": std.tolist(),
        "log_likelihood": float(gp.log_marginal_likelihood(gp.kernel_.theta)),
    }


def supersonic_step():
    """Euclidean, uncentred POD of all modes but round-off; one GP per coefficient; errors of the five folds."""
    import h5py

    with h5py.File(DATA / "supersonic_step" / "fixed_mesh.h5") as f:
        x = f["parameters"][:]
        fields = {name: f["snapshots"][name][:].astype(float) for name in ("rho", "p")}
    result = {"tolerance": 1e-4, "errors": {}, "projection": {}}
    for name, u in fields.items():
        errors, floors = [], []
        for fold in range(5):
            test = np.arange(len(u)) % 5 == fold
            _, s, vt = np.linalg.svd(u[~test], full_matrices=False)
            tail = np.sqrt(np.cumsum((s**2)[::-1])[::-1] / np.sum(s**2))
            r = int(np.sum(tail > result["tolerance"]))
            modes = vt[:r]
            shift, scale = x[~test].mean(0), x[~test].std(0)
            coefficients = u[~test] @ modes.T
            predicted = np.zeros((test.sum(), r))
            for j in range(r):
                kernel = ConstantKernel(1.0) * Matern(np.ones(x.shape[1]), nu=2.5) + WhiteKernel(1e-3, (1e-10, 1e1))
                gp = GaussianProcessRegressor(kernel, n_restarts_optimizer=3, normalize_y=True, random_state=0)
                gp.fit((x[~test] - shift) / scale, coefficients[:, j])
                predicted[:, j] = gp.predict((x[test] - shift) / scale)
            norm = np.linalg.norm(u[test], axis=1)
            errors += (np.linalg.norm(u[test] - predicted @ modes, axis=1) / norm).tolist()
            floors += (np.linalg.norm(u[test] - u[test] @ modes.T @ modes, axis=1) / norm).tolist()
        result["errors"][name], result["projection"][name] = float(np.mean(errors)), float(np.mean(floors))
        print(name, "modes", r, "error", np.mean(errors), "projection", np.mean(floors))
    return result


def main():
    old = json.loads(OUT.read_text()) if OUT.exists() else {}
    new = {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
        "posterior": [posterior(name, seed) for seed, name in enumerate(KERNELS)],
        "supersonic_step": supersonic_step(),
    }
    OUT.write_text(json.dumps({**old, **new}, indent=1) + "\n")


if __name__ == "__main__":
    main()
