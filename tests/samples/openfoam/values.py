"""Reads the cases with the OpenFOAM reader of VTK and writes what the tests compare with: python3 values.py > values.json

pip install vtk. Of each case: times, cells by type of VTK in order, points of a few cells, and of each time and field the rows
of these cells, which VTK holds as float32.
"""

import json
import pathlib

import vtk
from vtk.util.numpy_support import vtk_to_numpy

HERE = pathlib.Path(__file__).parent
CELLS = [0, 1, 50, 64, 88, 117, 122, 138, 143]


def values(case):
    reader = vtk.vtkOpenFOAMReader()
    reader.SetFileName(str(HERE / case / "system" / "controlDict"))
    reader.SetCreateCellToPoint(False)
    reader.UpdateInformation()
    reader.EnableAllCellArrays()
    reader.Update()
    times = [t for t in vtk_to_numpy(reader.GetTimeValues()).tolist() if t > 0]
    states = []
    for time in times:
        reader.UpdateTimeStep(time)
        grid = reader.GetOutput().GetBlock(0)
        states.append({name: [row(grid, name, c) for c in CELLS] for name in names(grid)})
    types = [grid.GetCellType(c) for c in range(grid.GetNumberOfCells())]
    points = [points_of(grid, c) for c in CELLS]
    found = {"times": times, "types": types, "cells": CELLS, "points": points, "states": states}
    return {"vtk": vtk.vtkVersion.GetVTKVersion(), **found}


def names(grid):
    data = grid.GetCellData()
    return sorted(data.GetArrayName(i) for i in range(data.GetNumberOfArrays()))


def row(grid, name, cell):
    return vtk_to_numpy(grid.GetCellData().GetArray(name)).reshape(grid.GetNumberOfCells(), -1)[cell].tolist()


def points_of(grid, cell):
    ids = grid.GetCell(cell).GetPointIds()
    return sorted(ids.GetId(i) for i in range(ids.GetNumberOfIds()))


print(json.dumps({case: values(case) for case in ["cavity", "cavity_binary", "sphere", "sphere_binary"]}))
