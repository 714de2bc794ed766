#!/usr/bin/env python3
"""Opens what `kolmo convert` writes in vtk and meshio and compares every value with the HDF5 file that it was made from.

    pip install vtk meshio h5py gmsh
    python3 tests/reference/written_files.py target/release/kolmo
"""
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

import h5py
import meshio
import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy

KOLMO = os.path.abspath(sys.argv[1])
FOLDER = tempfile.mkdtemp()
N = 5


def run(*args):
    subprocess.run([KOLMO, *args, "--quiet"], cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)


def make(path):
    """Triangles and quadrilaterals in the plane; float32, float64, vectors, cells, time."""
    i = np.arange(16).reshape(4, 4)
    a, b, c, d = i[:-1, :-1].ravel(), i[:-1, 1:].ravel(), i[1:, 1:].ravel(), i[1:, :-1].ravel()
    x, y = np.meshgrid(np.linspace(0, 1, 4) ** 1.1, np.linspace(0, 2, 4))
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as f:
        f["mesh/points"] = np.c_[x.ravel(), y.ravel()]
        f["mesh/cells/quad"] = np.c_[a, b, c, d][:5].astype("i4")
        f["mesh/cells/triangle"] = np.r_[np.c_[a, b, c][5:], np.c_[a, c, d][5:]].astype("i4")
        f["parameters"] = np.arange(N)[:, None] / 7.0
        f["parameters"].attrs["names"] = ["mach"]
        f["time"] = 0.125 * np.arange(N)
        f["snapshots/p"] = rng.standard_normal((N, 16))
        f["snapshots/single"] = rng.standard_normal((N, 16)).astype("f4")
        f["snapshots/u"] = rng.standard_normal((N, 16, 2))
        f["snapshots/rho"] = rng.standard_normal((N, 13))


def equal(what, found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    if found.ndim == 2 and expected.ndim == 2 and found.shape[1] > expected.shape[1]:
        assert np.all(found[:, expected.shape[1]:] == 0), what
        found = found[:, : expected.shape[1]]
    assert found.shape == expected.shape, (what, found.shape, expected.shape)
    assert np.array_equal(found, expected), what
    equal.count += 1


equal.count = 0


def check(name, points, cells, point_data, cell_data, s, f):
    equal(f"{name}: points", points, f["mesh/points"][()])
    for kind in ["quad", "triangle"]:
        equal(f"{name}: {kind}", cells[kind], f[f"mesh/cells/{kind}"][()])
    for field in ["p", "single", "u"]:
        equal(f"{name}: {field}", point_data[field], f[f"snapshots/{field}"][s])
    assert np.asarray(point_data["single"]).dtype.newbyteorder("=") == np.float32, name
    equal(f"{name}: rho", cell_data["rho"], f["snapshots/rho"][s])


def by_vtk(reader, path, s, f):
    reader.SetFileName(path)
    reader.Update()
    of_vtk(os.path.basename(path), reader.GetOutputDataObject(0), s, f)


def of_vtk(name, grid, s, f):
    types = [grid.GetCellType(i) for i in range(grid.GetNumberOfCells())]
    ends = vtk_to_numpy(grid.GetCells().GetOffsetsArray())
    nodes = vtk_to_numpy(grid.GetCells().GetConnectivityArray())
    rows = [nodes[a:b] for a, b in zip(ends[:-1], ends[1:])]
    cells = {k: np.array([r for r, t in zip(rows, types) if t == code]) for k, code in [("quad", 9), ("triangle", 5)]}
    data = lambda d: {d.GetArrayName(i): vtk_to_numpy(d.GetArray(i)) for i in range(d.GetNumberOfArrays())}
    points = vtk_to_numpy(grid.GetPoints().GetData())
    check(f"{name} in vtk", points, cells, data(grid.GetPointData()), data(grid.GetCellData()), s, f)


def by_meshio(path, s, f):
    mesh = meshio.read(path)
    cells = {c.type: c.data for c in mesh.cells}
    check(f"{os.path.basename(path)} in meshio", mesh.points, cells, mesh.point_data, {k: np.concatenate(v) for k, v in mesh.cell_data.items()}, s, f)


make(f"{FOLDER}/train.h5")
with h5py.File(f"{FOLDER}/train.h5") as f:
    run("convert", "train.h5", "folder/")
    for s in range(N):
        by_vtk(vtk.vtkXMLUnstructuredGridReader(), f"{FOLDER}/folder/sample_{s}.vtu", s, f)
        by_meshio(f"{FOLDER}/folder/sample_{s}.vtu", s, f)
    print(f".vtu: {N} files, {equal.count} arrays equal to the bit in vtk and meshio")

    equal.count = 0
    run("convert", "train.h5", "series.pvd")
    steps = xml.parse(f"{FOLDER}/series.pvd").getroot().findall("Collection/DataSet")
    equal(".pvd: times", [float(d.get("timestep")) for d in steps], f["time"][()])
    for s, d in enumerate(steps):
        by_vtk(vtk.vtkXMLUnstructuredGridReader(), f"{FOLDER}/{d.get('file')}", s, f)
    print(f".pvd: {len(steps)} steps, {equal.count} arrays equal to the bit in vtk")

    equal.count = 0
    run("convert", "train.h5", "wave.xdmf")
    with meshio.xdmf.TimeSeriesReader(f"{FOLDER}/wave.xdmf") as reader:
        points, cells = reader.read_points_cells()
        cells = {c.type: c.data for c in cells}
        for s in range(reader.num_steps):
            t, point_data, cell_data = reader.read_data(s)
            equal(".xdmf: time", t, f["time"][s])
            check(".xdmf in meshio", points, cells, point_data, {k: np.concatenate(v) for k, v in cell_data.items()}, s, f)
    n = equal.count
    reader = vtk.vtkXdmfReader()
    reader.SetFileName(f"{FOLDER}/wave.xdmf")
    reader.UpdateInformation()
    for s in range(N):
        reader.UpdateTimeStep(0.125 * s)
        of_vtk(".xdmf", reader.GetOutputDataObject(0), s, f)
    print(f".xdmf: {N} steps, {n} arrays equal to the bit in meshio, {equal.count - n} in vtk")

    equal.count = 0
    for s in range(N):
        run("convert", f"folder/sample_{s}.vtu", f"one_{s}.vtk")
        by_vtk(vtk.vtkUnstructuredGridReader(), f"{FOLDER}/one_{s}.vtk", s, f)
        by_meshio(f"{FOLDER}/one_{s}.vtk", s, f)
    print(f".vtk: {N} files, {equal.count} arrays equal to the bit in vtk and meshio")

    equal.count = 0
    run("convert", "train.h5", "views.msh")
    # meshio 5.3 reads views of one step, and none on cells of several types: it takes a block for as long as its tuple, 2.
    with open(f"{FOLDER}/one.toml", "w") as study:
        study.write('[data]\nsamples = "folder/sample_3.vtu"\nfields = ["p", "single", "u"]\n')
    run("convert", "one.toml", "one.msh")
    mesh = meshio.read(f"{FOLDER}/one.msh")
    cells = {c.type: c.data for c in mesh.cells}
    equal(".msh: points", mesh.points, f["mesh/points"][()])
    for kind in ["quad", "triangle"]:
        equal(f".msh: {kind}", cells[kind], f[f"mesh/cells/{kind}"][()])
    for field in ["p", "single", "u"]:
        equal(f".msh: {field}", np.asarray(mesh.point_data[field]), f[f"snapshots/{field}"][3])
    n = equal.count
    import gmsh

    gmsh.initialize(["gmsh", "-v", "2"])
    gmsh.open(f"{FOLDER}/views.msh")
    tags, points, _ = gmsh.model.mesh.getNodes()
    points = np.asarray(points).reshape(-1, 3)[np.argsort(tags)]
    equal(".msh in gmsh: points", points, f["mesh/points"][()])
    for code, kind, width in [(3, "quad", 4), (2, "triangle", 3)]:
        _, nodes = gmsh.model.mesh.getElementsByType(code)
        equal(f".msh in gmsh: {kind}", np.asarray(nodes, dtype=int).reshape(-1, width) - 1, f[f"mesh/cells/{kind}"][()])
    views = {gmsh.view.option.getString(v, "Name"): v for v in gmsh.view.getTags()}
    for field, view in views.items():
        for s in range(N):
            _, tags, rows, time, _ = gmsh.view.getModelData(view, s)
            values = np.array([row for _, row in sorted(zip(tags, rows))])
            expected = f[f"snapshots/{field}"][s]
            equal(f".msh in gmsh: {field}", values if expected.ndim == 2 else values.ravel(), expected)
            equal(".msh in gmsh: time", time, f["time"][s])
    gmsh.finalize()
    assert sorted(views) == ["p", "rho", "single", "u"], views
    print(f".msh: {n} arrays equal to the bit in meshio, {equal.count - n} of {N} steps in gmsh")

    equal.count = 0
    run("convert", "train.h5", "train.npz")
    with np.load(f"{FOLDER}/train.npz") as z:
        assert list(z["parameters_names"]) == ["mach"]
        equal(".npz: parameters", z["parameters"], f["parameters"][()])
        equal(".npz: time", z["time"], f["time"][()])
        for field in ["p", "single", "u", "rho"]:
            equal(f".npz: {field}", z[field], f[f"snapshots/{field}"][()])
            assert z[field].dtype == f[f"snapshots/{field}"].dtype, field
    print(f".npz: {equal.count} arrays equal to the bit in numpy")
