"""Writes box.h5 and curve.h5: small data with a body of hexahedra and a curve, and names that are markup. Needs h5py.

    python3 tests/report/make.py
"""

import pathlib

import h5py
import numpy as np

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(1)


def write(file, name, values, **attributes):
    data = file.create_dataset(name, data=values, compression="gzip", shuffle=True)
    for key, value in attributes.items():
        data.attrs[key] = value


def box():
    """A notch is cut out of the corner that the viewer sees."""
    n, samples = 8, 20
    grid = np.linspace(0, 1, n + 1)
    node = lambda i, j, k: (k * (n + 1) + j) * (n + 1) + i
    points = np.array([[2 * grid[i], grid[j], 0.8 * grid[k]] for k in range(n + 1) for j in range(n + 1) for i in range(n + 1)])
    around = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
    every = [(i, j, k) for k in range(n) for j in range(n) for i in range(n) if min(i, j, k) < n // 2]
    cells = np.array([[node(i + a, j + b, k + c) for a, b, c in around] for i, j, k in every])
    used = np.unique(cells)
    points, cells = points[used], np.searchsorted(used, cells).astype(np.int32)
    parameters = rng.uniform([1, 0.2, 0, 0, 0], [3, 1, 1, 1, 1], (samples, 5))
    x, y, z = points.T
    u, v, w = points[cells].mean(axis=1).T
    heat = [np.sin(a * x + d) * np.exp(-b * y) + c * z * z + 0.1 * np.cos(3 * x * y * a) for a, b, c, d, _ in parameters]
    velocity = [np.stack([a * np.cos(v * b), np.sin(a * u), c * w], axis=1) for a, b, c, _, _ in parameters]
    with h5py.File(HERE / "box.h5", "w") as file:
        write(file, "mesh/points", points)
        write(file, "mesh/cells", cells, cell_type="hexahedron")
        write(file, "parameters", parameters, names=["speed", '<b>&"x', "c", "d", "e"])
        write(file, 'snapshots/<b>&"T', np.float32(heat), location="point")
        write(file, "snapshots/velocity", np.float32(velocity), location="cell")
        write(file, "scalars", np.stack([np.max(heat, axis=1), np.mean(heat, axis=1)], axis=1), names=["largest <i>T", "mean T"])


def curve():
    n, samples = 120, 20
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    parameters = np.sort(rng.uniform(0.5, 2, (samples, 1)), axis=0)
    with h5py.File(HERE / "curve.h5", "w") as file:
        write(file, "mesh/points", np.stack([2 * np.cos(angle), np.sin(angle)], axis=1))
        write(file, "mesh/cells", np.array([[i, (i + 1) % n] for i in range(n)], dtype=np.int32), cell_type="line")
        write(file, "parameters", parameters, names=["amplitude"])
        load = [np.tanh(4 * np.sin(angle + a)) + a * np.cos(2 * angle) for a in parameters[:, 0]]
        write(file, "snapshots/load", np.float32(load), location="point")


box()
curve()
