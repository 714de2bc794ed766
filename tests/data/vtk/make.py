"""Writes the files beside it with VTK 9.7.2 (pip install vtk==9.7.2): a hexahedron, two polyhedra, a triangle, a polygon, a voxel."""

import os

import vtk

grid = vtk.vtkUnstructuredGrid()
points = vtk.vtkPoints()
points.SetDataTypeToDouble()
for x in [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1), (0.5, 0.5, 2)]:
    points.InsertNextPoint(x)
grid.SetPoints(points)
grid.InsertNextCell(12, 8, list(range(8)))
pyramid = [5, 4, 4, 5, 6, 7, 3, 4, 5, 8, 3, 5, 6, 8, 3, 6, 7, 8, 3, 7, 4, 8]
cube = [6, 4, 0, 1, 2, 3, 4, 4, 5, 6, 7, 4, 0, 1, 5, 4, 4, 1, 2, 6, 5, 4, 2, 3, 7, 6, 4, 3, 0, 4, 7]
for stream in (pyramid, cube):
    faces = vtk.vtkIdList()
    for n in stream:
        faces.InsertNextId(n)
    grid.InsertNextCell(42, faces)
grid.InsertNextCell(5, 3, [0, 1, 2])
grid.InsertNextCell(7, 5, [0, 1, 2, 3, 4])
grid.InsertNextCell(11, 8, [0, 1, 3, 2, 4, 5, 7, 6])
for kind, name, data, n in [
    (vtk.vtkFloatArray, "p", grid.GetPointData(), 9),
    (vtk.vtkDoubleArray, "q", grid.GetCellData(), 6),
    (vtk.vtkTypeInt64Array, "tag", grid.GetCellData(), 6),
    (vtk.vtkDoubleArray, "mu", grid.GetFieldData(), 2),
]:
    array = kind()
    array.SetName(name)
    for i in range(n):
        array.InsertNextValue(i * i - 3 if name == "tag" else 0.1 * i)
    data.AddArray(array)
names = vtk.vtkStringArray()
names.SetName("names")
names.InsertNextValue("a text")
grid.GetFieldData().AddArray(names)
for form in ["ascii", "inline", "raw", "base64"]:
    for compressor in ["none", "zlib", "lz4"]:
        if form == "ascii" and compressor != "none":
            continue
        writer = vtk.vtkXMLUnstructuredGridWriter()
        writer.SetFileName(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{form}_{compressor}.vtu"))
        writer.SetInputData(grid)
        {"ascii": writer.SetDataModeToAscii, "inline": writer.SetDataModeToBinary}.get(form, writer.SetDataModeToAppended)()
        writer.SetEncodeAppendedData(form == "base64")
        {"none": writer.SetCompressorTypeToNone, "zlib": writer.SetCompressorTypeToZLib, "lz4": writer.SetCompressorTypeToLZ4}[compressor]()
        # Headers of both widths and numbers of both orders.
        writer.SetHeaderTypeToUInt64() if compressor == "zlib" else writer.SetHeaderTypeToUInt32()
        if compressor == "lz4":
            writer.SetByteOrderToBigEndian()
        writer.Write()
