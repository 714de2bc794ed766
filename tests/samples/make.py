#!/usr/bin/env python3
"""Writes the samples of other programs in this folder, and for each NAME.json with its values as an independent reader has them.

Not part of `make test`. Needs, from PyPI: meshio 5.3, vtk 9.4 or later, gmsh 4.13 or later, h5py, numpy; from Debian 12:
python3-dolfinx (0.5.2), whose FEniCSx is run first, by the Python of the system. As root, OpenMPI asks for
OMPI_ALLOW_RUN_AS_ROOT=1 and OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1.

    /usr/bin/python3 tests/samples/make.py fenicsx     # FEniCSx writes
    python3 tests/samples/make.py                      # all others write, then all are read

Who reads: .vtu and .vtk of meshio are read by vtk; its .xdmf and .msh have what was written; files of gmsh are read by meshio; binary
.vtu of vtk have what was written, its other files are read by vtk; files of FEniCSx are read by h5py and vtk.
"""

import json
import math
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = {1: "vertex", 3: "line", 5: "triangle", 9: "quad", 10: "tetra", 12: "hexahedron", 13: "wedge", 14: "pyramid",
         21: "line3", 22: "triangle6", 23: "quad8", 24: "tetra10", 25: "hexahedron20", 26: "wedge15", 27: "pyramid13",
         28: "quad9", 29: "hexahedron27", 7: "polygon", 42: "polyhedron"}
# Cells of any order in VTK, by number of nodes; the nodes up to order 1 are those of the cells above.
LAGRANGE = {(68, 2): 3, (69, 3): 5, (70, 4): 9, (71, 4): 10, (72, 8): 12, (73, 6): 13}
CODES = {name: code for code, name in NAMES.items()}


def expect(file, states, times=None, refused=None):
    """Writes the expected values of a sample. All series here have one mesh, which each file of a .pvd holds for itself."""
    out = {"file": file}
    if refused:
        out["refused"] = refused
    else:
        if times is not None:
            out["times"], out["mesh_is_shared"] = plain(times), file.endswith(".xdmf")
        out["states"] = states
    with open(os.path.join(HERE, file + ".json"), "w") as f:
        f.write(json.dumps(out, separators=(",", ":")) + "\n")


def plain(values):
    """Numbers as JSON; what is not finite as text. Python prints as many digits as tell the number from all others."""
    return [number(float(v)) for v in np.asarray(values, dtype=float).ravel()]


def number(v):
    if not math.isfinite(v):
        return str(v)
    whole = v == int(v) and abs(v) < 1e15 and str(v) != "-0.0"
    return int(v) if whole else v


def array(values):
    values = np.asarray(values)
    number = {"f4": "Float32", "f8": "Float64"}.get(values.dtype.str[1:], "Integer")
    n = int(np.prod(values.shape[1:]))
    return {"n_components": n, "number": number, "values": plain(values)}


def state(points, cells, point_data={}, cell_data={}, field_data={}):
    """`cells`: pairs of type and nodes, in the order of the values of `cell_data`."""
    points = np.asarray(points, dtype=float)
    padded = np.zeros((len(points), 3))
    padded[:, : points.shape[1]] = points
    return {
        "points": plain(padded),
        "cells": [[kind, [int(p) for p in nodes]] for kind, nodes in cells],
        "point_data": {k: array(v) for k, v in point_data.items()},
        "cell_data": {k: array(v) for k, v in cell_data.items()},
        "field_data": {k: plain(v) for k, v in field_data.items()},
    }


def cells_of(mesh):
    return [(b.type, nodes) for b in mesh.cells for nodes in np.asarray(b.data)]


def from_meshio(mesh, points=None):
    cell_data = {k: np.concatenate(v) for k, v in mesh.cell_data.items()}
    return state(mesh.points if points is None else points, cells_of(mesh), mesh.point_data, cell_data)


def from_vtk(grid):
    """A vtkUnstructuredGrid."""
    from vtk.util.numpy_support import vtk_to_numpy

    cells = []
    import vtk

    for i in range(grid.GetNumberOfCells()):
        code = grid.GetCellType(i)
        if code == 42:
            ids = vtk.vtkIdList()
            grid.GetFaceStream(i, ids)
        else:
            ids = grid.GetCell(i).GetPointIds()
        code = LAGRANGE.get((code, ids.GetNumberOfIds()), code)
        cells.append((NAMES[code], [ids.GetId(k) for k in range(ids.GetNumberOfIds())]))

    def arrays(data):
        found = [data.GetArray(i) for i in range(data.GetNumberOfArrays()) if data.GetArray(i)]
        # Says which cells are copies of those of other pieces: none here.
        return {a.GetName(): vtk_to_numpy(a) for a in found if a.GetName() != "vtkGhostType"}

    points = vtk_to_numpy(grid.GetPoints().GetData()) if grid.GetNumberOfPoints() else np.zeros((0, 3))
    return state(points, cells, arrays(grid.GetPointData()), arrays(grid.GetCellData()), arrays(grid.GetFieldData()))


# Meshes


def volume_mesh():
    """One cell of each linear type in space, with a boundary, and arrays of all kinds of numbers."""
    import meshio

    points = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1], [2, 0, 0.5], [2, 1, 0.5],
              [0.5, 0.5, 1.7], [0.3, -0.8, 0.4]]
    cells = [("hexahedron", [[0, 1, 2, 3, 4, 5, 6, 7]]), ("wedge", [[1, 8, 5, 2, 9, 6]]), ("pyramid", [[4, 5, 6, 7, 10]]),
             ("tetra", [[0, 1, 5, 11], [0, 5, 4, 11]]), ("triangle", [[4, 5, 10], [5, 6, 10]]), ("quad", [[0, 3, 2, 1]]),
             ("line", [[0, 1], [1, 8]])]
    return fill(meshio.Mesh(np.array(points) / 3, cells))


def plane_mesh():
    """Triangles and quadrilaterals in a plane."""
    import meshio

    x = [[i / 3, j / 7 + 0.01 * i] for j in range(4) for i in range(5)]
    quads = [[5 * j + i, 5 * j + i + 1, 5 * j + i + 6, 5 * j + i + 5] for j in range(3) for i in range(2)]
    corner = lambda j, i: 5 * j + i
    triangles = [t for j in range(3) for i in (2, 3) for t in (
        [corner(j, i), corner(j, i + 1), corner(j + 1, i)], [corner(j, i + 1), corner(j + 1, i + 1), corner(j + 1, i)])]
    return fill(meshio.Mesh(np.array(x), [("quad", quads), ("triangle", triangles)]))


def quadratic_mesh(kinds=None):
    """One cell of each quadratic type, its nodes where VTK has them on the reference cell."""
    import meshio
    import vtk

    classes = {"line3": vtk.vtkQuadraticEdge, "triangle6": vtk.vtkQuadraticTriangle, "quad8": vtk.vtkQuadraticQuad,
               "quad9": vtk.vtkBiQuadraticQuad, "tetra10": vtk.vtkQuadraticTetra, "pyramid13": vtk.vtkQuadraticPyramid,
               "wedge15": vtk.vtkQuadraticWedge, "hexahedron20": vtk.vtkQuadraticHexahedron,
               "hexahedron27": vtk.vtkTriQuadraticHexahedron}
    # meshio 5.3 reads and writes these, but lacks their dimension.
    meshio._mesh.topological_dimension.update(pyramid13=3, wedge15=3)
    points, cells = [], []
    for k, kind in enumerate(kinds or classes):
        cell = classes[kind]()
        n = cell.GetNumberOfPoints()
        reference = np.array(cell.GetParametricCoords()[: 3 * n]).reshape(n, 3)
        cells.append((kind, [list(range(len(points), len(points) + n))]))
        points += list(reference + [1.25 * k, 0, 0])
    return fill(meshio.Mesh(np.array(points), cells))


def fill(mesh):
    n, m = len(mesh.points), sum(len(b.data) for b in mesh.cells)
    x = mesh.points @ np.array([1.0, 0.3, -0.7][: mesh.points.shape[1]])
    split = np.cumsum([len(b.data) for b in mesh.cells])[:-1]
    mesh.point_data = {"p": np.sin(3 * x) / 7, "p32": np.cos(5 * x).astype(np.float32), "number": np.arange(n, dtype=np.int32) - 3,
                       "u": np.stack([np.sin(x), x * x, np.exp(x)], axis=1)}
    mesh.cell_data = {"rho": np.split(np.sqrt(np.arange(m) + 0.1), split), "tag": np.split(np.arange(m, dtype=np.int64) ** 2, split)}
    return mesh


def vtk_grid(mesh):
    """The same as a vtkUnstructuredGrid; points with three coordinates."""
    import vtk

    grid = vtk.vtkUnstructuredGrid()
    points = vtk.vtkPoints()
    points.SetDataTypeToDouble()
    for p in mesh.points:
        points.InsertNextPoint(*p, *[0] * (3 - len(p)))
    grid.SetPoints(points)
    for kind, nodes in cells_of(mesh):
        grid.InsertNextCell(CODES[kind], len(nodes), [int(p) for p in nodes])
    add_vtk(grid.GetPointData(), mesh.point_data)
    add_vtk(grid.GetCellData(), {k: np.concatenate(v) for k, v in mesh.cell_data.items()})
    return grid


def add_vtk(data, arrays):
    from vtk.util.numpy_support import numpy_to_vtk

    for name, values in arrays.items():
        a = numpy_to_vtk(np.ascontiguousarray(values), deep=1)
        a.SetName(name)
        data.AddArray(a)


# Programs


def by_meshio():
    import meshio
    from meshio.xdmf import TimeSeriesWriter

    volume, plane, quadratic = volume_mesh(), plane_mesh(), quadratic_mesh()
    for name, mesh, options in [("meshio_zlib.vtu", volume, {}), ("meshio_ascii.vtu", volume, {"binary": False}),
                                ("meshio_raw.vtu", quadratic, {"compression": None}), ("meshio_lzma.vtu", plane, {"compression": "lzma"})]:
        meshio.write(name, mesh, file_format="vtu", **options)
        expect(name, [from_vtk(read_vtu(name))], refused="K018" if "lzma" in name else None)
    for version in ("42", "51"):
        for binary in (True, False):
            name = f"meshio_{version}_{'binary' if binary else 'ascii'}.vtk"
            meshio.write(name, quadratic if binary else volume, file_format="vtk" + version, binary=binary)
            expect(name, [from_vtk(read_legacy(name))])
    for name, mesh, data_format in [("meshio_mixed.xdmf", volume, "HDF"), ("meshio_plane.xdmf", plane, "HDF"),
                                    ("meshio_text.xdmf", plane, "XML"), ("meshio_binary.xdmf", volume, "Binary")]:
        meshio.write(name, mesh, file_format="xdmf", data_format=data_format)
        expect(name, [from_meshio(mesh)])
    for kind in ("hexahedron20", "hexahedron27", "wedge15"):
        name = f"meshio_{kind}.xdmf"
        mesh = quadratic_mesh([kind])
        meshio.write(name, mesh, file_format="xdmf")
        expect(name, [from_meshio(mesh)])
    for data_format in ("HDF", "XML"):
        name = f"meshio_series_{data_format.lower()}.xdmf"
        times, states = [0.0, 0.1, 0.25], []
        with TimeSeriesWriter(name, data_format=data_format) as writer:
            writer.write_points_cells(plane.points, plane.cells)
            for t in times:
                p = {"p": plane.point_data["p"] * (1 + t), "u": plane.point_data["u"] - t}
                rho = np.split(np.arange(18) * t, [6])
                writer.write_data(t, point_data=p, cell_data={"rho": rho})
                states.append(from_meshio(meshio.Mesh(plane.points, plane.cells, p, {"rho": rho})))
        expect(name, states, times)
    for version in ("gmsh22", "gmsh"):
        for binary in (True, False):
            name = f"meshio_{version}_{'binary' if binary else 'ascii'}.msh"
            # In version 4.1 meshio writes cells of one type only.
            source = volume if version == "gmsh22" else quadratic_mesh(["hexahedron20"])
            point_data = {k: source.point_data[k] for k in ("p", "u")}
            mesh = meshio.Mesh(source.points, source.cells, point_data, {"rho": source.cell_data["rho"]})
            meshio.write(name, mesh, file_format=version, binary=binary)
            # meshio writes 17 digits, and cannot read its own cell data of several types.
            expect(name, [from_meshio(mesh)])


def read_vtu(name):
    import vtk

    reader = vtk.vtkXMLPUnstructuredGridReader() if name.endswith(".pvtu") else vtk.vtkXMLUnstructuredGridReader()
    reader.SetFileName(name)
    reader.Update()
    return reader.GetOutput()


def read_legacy(name):
    import vtk

    reader = vtk.vtkUnstructuredGridReader()
    reader.SetFileName(name)
    for kind in ("Scalars", "Vectors", "Tensors", "Fields"):
        getattr(reader, f"ReadAll{kind}On")()
    reader.Update()
    return reader.GetOutput()


def by_vtk():
    import meshio
    import vtk

    def polyhedra():
        grid = vtk_grid(volume_mesh())
        out = vtk.vtkUnstructuredGrid()
        out.SetPoints(grid.GetPoints())
        hexahedron = [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
        wedge = [[1, 8, 5], [2, 6, 9], [1, 2, 9, 8], [8, 9, 6, 5], [5, 6, 2, 1]]
        for faces in (hexahedron, wedge):
            ids = vtk.vtkIdList()
            for n in [len(faces)] + [n for face in faces for n in [len(face)] + face]:
                ids.InsertNextId(n)
            out.InsertNextCell(42, ids)
            if faces is hexahedron:
                out.InsertNextCell(14, 5, [4, 5, 6, 7, 10])
                out.InsertNextCell(7, 5, [0, 1, 8, 9, 2])
        add_vtk(out.GetCellData(), {"rho": np.array([0.1, 0.2, 0.3, 0.4]), "tag": np.array([7, 5, 3, 1], dtype=np.int32)})
        out.GetPointData().ShallowCopy(grid.GetPointData())
        return out

    volume, quadratic, plane = vtk_grid(volume_mesh()), vtk_grid(quadratic_mesh()), vtk_grid(plane_mesh())
    add_vtk(volume.GetFieldData(), {"mach": np.array([2.1]), "TimeValue": np.array([0.125])})
    samples = [
        ("vtk_raw_zlib.vtu", volume, {"SetDataModeToAppended": [], "EncodeAppendedDataOff": [], "SetHeaderTypeToUInt64": [], "SetCompressorTypeToZLib": [], "SetBlockSize": [256]}),
        ("vtk_raw.vtu", volume, {"SetDataModeToAppended": [], "EncodeAppendedDataOff": [], "SetHeaderTypeToUInt32": [], "SetCompressorTypeToNone": []}),
        ("vtk_raw_lz4.vtu", quadratic, {"SetDataModeToAppended": [], "EncodeAppendedDataOff": [], "SetHeaderTypeToUInt32": [], "SetCompressorTypeToLZ4": [], "SetIdTypeToInt32": []}),
        ("vtk_base64.vtu", plane, {"SetDataModeToAppended": [], "EncodeAppendedDataOn": [], "SetCompressorTypeToNone": [], "SetHeaderTypeToUInt64": []}),
        ("vtk_base64_zlib.vtu", volume, {"SetDataModeToAppended": [], "EncodeAppendedDataOn": [], "SetCompressorTypeToZLib": [], "SetBlockSize": [512]}),
        ("vtk_base64_lz4.vtu", volume, {"SetDataModeToAppended": [], "EncodeAppendedDataOn": [], "SetCompressorTypeToLZ4": [], "SetHeaderTypeToUInt64": []}),
        ("vtk_inline.vtu", volume, {"SetDataModeToBinary": [], "SetCompressorTypeToNone": [], "SetIdTypeToInt32": []}),
        ("vtk_inline_zlib.vtu", plane, {"SetDataModeToBinary": [], "SetCompressorTypeToZLib": [], "SetHeaderTypeToUInt32": [], "SetBlockSize": [128]}),
        ("vtk_inline_big.vtu", volume, {"SetDataModeToBinary": [], "SetCompressorTypeToNone": [], "SetByteOrderToBigEndian": []}),
        ("vtk_raw_zlib_big.vtu", volume, {"SetDataModeToAppended": [], "EncodeAppendedDataOff": [], "SetCompressorTypeToZLib": [], "SetByteOrderToBigEndian": []}),
        ("vtk_ascii.vtu", volume, {"SetDataModeToAscii": [], "SetIdTypeToInt32": []}),
        ("vtk_lzma.vtu", plane, {"SetDataModeToAppended": [], "EncodeAppendedDataOff": [], "SetCompressorTypeToLZMA": []}),
        ("vtk_polyhedra_raw.vtu", polyhedra(), {"SetDataModeToAppended": [], "EncodeAppendedDataOff": [], "SetCompressorTypeToZLib": []}),
        ("vtk_polyhedra_ascii.vtu", polyhedra(), {"SetDataModeToAscii": []}),
    ]
    for name, grid, options in samples:
        write_vtu(name, grid, options)
        # Text has fewer digits than the numbers.
        source = read_vtu(name) if "ascii" in name else grid
        expect(name, [from_vtk(source)], refused="K018" if "lzma" in name else None)
    for name, grid, version, binary in [("vtk_42_binary.vtk", volume, 42, True), ("vtk_51_binary.vtk", quadratic, 51, True),
                                        ("vtk_42_ascii.vtk", quadratic, 42, False), ("vtk_51_ascii.vtk", volume, 51, False),
                                        ("vtk_51_polyhedra.vtk", polyhedra(), 51, True), ("vtk_42_polyhedra.vtk", polyhedra(), 42, False)]:
        writer = vtk.vtkUnstructuredGridWriter()
        writer.SetFileName(name)
        writer.SetInputData(grid)
        writer.SetFileVersion(version)
        writer.SetFileTypeToBinary() if binary else writer.SetFileTypeToASCII()
        writer.Write()
        expect(name, [from_vtk(read_legacy(name))])
    by_vtk_in_pieces()
    # vtk writes quadrilaterals among other cells as polygons without their number of points: there are none.
    mesh = volume_mesh()
    mesh.cells = [block for block in mesh.cells if block.type != "quad"]
    mixed = vtk_grid(fill(mesh))
    triangles = plane_mesh()
    triangles.cells = triangles.cells[1:]
    fill(triangles)
    add_vtk(mixed.GetFieldData(), {"mach": np.array([2.1])})
    for name, grid, limit in [("vtk_mixed.xmf", mixed, 0), ("vtk_text.xdmf", vtk_grid(triangles), 1000)]:
        writer = vtk.vtkXdmfWriter()
        writer.SetFileName(name)
        writer.SetLightDataLimit(limit)
        writer.SetInputData(grid)
        writer.Write()
        # The text has six digits.
        expect(name, [from_vtk(grid) if limit == 0 else from_meshio(meshio.read(name))])


def write_vtu(name, grid, options):
    import vtk

    writer = vtk.vtkXMLUnstructuredGridWriter()
    writer.SetFileName(name)
    writer.SetInputData(grid)
    for method, arguments in options.items():
        getattr(writer, method)(*arguments)
    writer.Write()


def joined(state):
    """vtk has the points between pieces once for each; here the first counts."""
    points = [tuple(state["points"][i : i + 3]) for i in range(0, len(state["points"]), 3)]
    kept = list(dict.fromkeys(points))
    first = [points.index(p) for p in kept]
    assert len(kept) < len(points)
    rows = lambda a: [v for i in first for v in a["values"][i * a["n_components"] : (i + 1) * a["n_components"]]]
    point_data = {k: {**a, "values": rows(a)} for k, a in state["point_data"].items()}
    cells = [[kind, [kept.index(points[p]) for p in nodes]] for kind, nodes in state["cells"]]
    return {**state, "points": [x for p in kept for x in p], "cells": cells, "point_data": point_data}


def by_vtk_in_pieces():
    """A .pvtu of three pieces, and a .pvd of two times."""
    import vtk

    producer = vtk.vtkTrivialProducer()
    producer.SetOutput(vtk_grid(plane_mesh()))
    pieces = vtk.vtkExtractUnstructuredGridPiece()
    pieces.CreateGhostCellsOff()
    pieces.SetInputConnection(producer.GetOutputPort())
    writer = vtk.vtkXMLPUnstructuredGridWriter()
    writer.SetFileName("vtk_pieces.pvtu")
    writer.SetNumberOfPieces(3)
    writer.SetStartPiece(0)
    writer.SetEndPiece(2)
    writer.SetInputConnection(pieces.GetOutputPort())
    writer.SetUseSubdirectory(False)
    writer.Write()
    expect("vtk_pieces.pvtu", [joined(from_vtk(read_vtu("vtk_pieces.pvtu")))])
    times, states = [0.0, 0.5], []
    for i, t in enumerate(times):
        mesh = plane_mesh()
        mesh.point_data["p"] += t
        name = f"vtk_series_{i}.vtu"
        write_vtu(name, vtk_grid(mesh), {"SetDataModeToAppended": [], "EncodeAppendedDataOff": []})
        states.append(from_vtk(vtk_grid(mesh)))
    with open("vtk_series.pvd", "w") as f:
        f.write('<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1">\n<Collection>\n')
        for i, t in enumerate(times):
            f.write(f'<DataSet timestep="{t}" group="" part="0" file="vtk_series_{i}.vtu"/>\n')
        f.write("</Collection>\n</VTKFile>\n")
    expect("vtk_series.pvd", states, times)


def by_gmsh():
    import gmsh
    import meshio

    for order in (1, 2):
        for version, binary in [("2.2", 0), ("2.2", 1), ("4.1", 0), ("4.1", 1)]:
            gmsh.initialize()
            gmsh.option.setNumber("General.Terminal", 0)
            gmsh.model.add("block")
            gmsh.model.occ.addBox(0, 0, 0, 1, 0.6, 0.4)
            gmsh.model.occ.synchronize()
            gmsh.model.addPhysicalGroup(3, [1], tag=7, name="solid")
            gmsh.model.addPhysicalGroup(2, [1], tag=3, name="inlet")
            gmsh.model.addPhysicalGroup(2, [2, 3, 4, 5, 6], tag=4, name="rest of the wall")
            gmsh.option.setNumber("Mesh.MeshSizeMin", 0.6)
            gmsh.option.setNumber("Mesh.MeshSizeMax", 0.6)
            gmsh.model.mesh.generate(3)
            gmsh.model.mesh.setOrder(order)
            gmsh.option.setNumber("Mesh.MshFileVersion", float(version))
            gmsh.option.setNumber("Mesh.Binary", binary)
            name = f"gmsh_{version.replace('.', '')}_{'binary' if binary else 'ascii'}_{order}.msh"
            gmsh.write(name)
            gmsh.finalize()
            mesh = meshio.read(name)
            mesh.cell_data = {k: v for k, v in mesh.cell_data.items() if k.startswith("gmsh:")}
            expect(name, [from_meshio(meshio.Mesh(mesh.points, mesh.cells, {}, mesh.cell_data))])


def by_fenicsx():
    """FEniCSx 0.5."""
    import basix
    import ufl
    from dolfinx import fem, io, mesh
    from mpi4py import MPI

    square = mesh.create_unit_square(MPI.COMM_WORLD, 3, 3)
    box = mesh.create_unit_cube(MPI.COMM_WORLD, 1, 2, 2, mesh.CellType.hexahedron)
    for name, m in (("fenicsx_square", square), ("fenicsx_box", box)):
        u = fem.Function(fem.FunctionSpace(m, ("CG", 1)), name="u")
        w = fem.Function(fem.VectorFunctionSpace(m, ("CG", 1)), name="w")
        d = fem.Function(fem.FunctionSpace(m, ("DG", 0)), name="d")
        dim = m.geometry.dim
        with io.XDMFFile(m.comm, name + ".xdmf", "w") as f, io.VTKFile(m.comm, name + ".pvd", "w") as v:
            f.write_mesh(m)
            for t in (0.0, 0.1, 1.0):
                u.interpolate(lambda x: np.sin(x[0] + t) * x[1])
                w.interpolate(lambda x: np.stack([x[0] * t, x[1] - t / 3, x[2] + 1 / 3][:dim]))
                d.interpolate(lambda x: x[0] / 7 + t)
                for function in (u, w, d):
                    f.write_function(function, t)
                # Of two functions, this version would name each piece twice.
                v.write_function([u] if m is square else [w], t)
    facets = mesh.locate_entities_boundary(square, 1, lambda x: np.isclose(x[0], 0))
    tags = mesh.meshtags(square, 1, facets, np.full(len(facets), 5, dtype=np.int32))
    tags.name = "inlet"
    with io.XDMFFile(square.comm, "fenicsx_tags.xdmf", "w") as f:
        f.write_mesh(square)
        square.topology.create_connectivity(1, 2)
        f.write_meshtags(tags)
    for name, kind, family, parts in [("fenicsx_triangle6", "triangle", 2, 2), ("fenicsx_hexahedron27", "hexahedron", 2, 1)]:
        element = ufl.VectorElement("Lagrange", ufl.Cell(kind, geometric_dimension=2 if kind == "triangle" else 3), family)
        if kind == "triangle":
            points = np.array([[0, 0], [1, 0], [0, 1], [0.55, 0.5], [0, 0.5], [0.5, -0.1], [1, 1], [0.5, 1.1], [1.1, 0.5]])
            cells = [[0, 1, 2, 3, 4, 5], [1, 6, 2, 7, 3, 8]]
        else:
            lattice = basix.create_element(basix.ElementFamily.P, basix.CellType.hexahedron, 2, basix.LagrangeVariant.equispaced)
            points = np.array(lattice.points) * [1, 0.9, 0.8]
            cells = [list(range(27))]
        m = mesh.create_mesh(MPI.COMM_WORLD, np.array(cells, dtype=np.int64), points, ufl.Mesh(element))
        with io.XDMFFile(m.comm, name + ".xdmf", "w") as f:
            f.write_mesh(m)


def read_fenicsx():
    import h5py

    kinds = {("square", 3): "triangle", ("box", 8): "hexahedron", ("tags", 3): "triangle", ("triangle6", 6): "triangle6",
             ("hexahedron27", 27): "hexahedron27"}
    for (name, width), kind in kinds.items():
        file = f"fenicsx_{name}.xdmf"
        if not os.path.exists(file):
            print(f"{file} is missing: run with `fenicsx` first")
            continue
        with h5py.File(file.replace(".xdmf", ".h5")) as f:
            points, cells = f["Mesh/mesh/geometry"][()], f["Mesh/mesh/topology"][()]
            assert cells.shape[1] == width
            cells = [(kind, nodes) for nodes in cells]
            if "Function" not in f:
                expect(file, [state(points, cells)])
                continue
            data = lambda function, t: f[f"Function/{function}/{t}"][()]
            steps = sorted(f["Function/u"], key=lambda t: float(t.replace("_", ".")))
            states = [state(points, cells, {"u": data("u", t), "w": data("w", t)}, {"d": data("d", t)}) for t in steps]
            expect(file, states, [0.0, 0.1, 1.0])
        if os.path.exists(f"fenicsx_{name}.pvd"):
            parts = [f"fenicsx_{name}{i:06d}.pvtu" for i in range(3)]
            expect(f"fenicsx_{name}.pvd", [from_vtk(read_vtu(part)) for part in parts], [0.0, 0.1, 1.0])


if __name__ == "__main__":
    os.chdir(HERE)
    if sys.argv[1:] == ["fenicsx"]:
        by_fenicsx()
    else:
        by_meshio()
        by_vtk()
        by_gmsh()
        read_fenicsx()
