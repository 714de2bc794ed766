"""Writes the samples of this folder: pip install gmsh==4.15.2; python3 make.py"""

import gmsh

gmsh.initialize()
gmsh.option.setNumber("General.Terminal", 0)

# A plate of quadratic triangles and quads, its left edge in a group, with a view of two steps that adds up the coordinates.
gmsh.model.add("plate")
left = gmsh.model.occ.addRectangle(0, 0, 0, 1, 1)
right = gmsh.model.occ.addRectangle(1, 0, 0, 1, 1)
gmsh.model.occ.fragment([(2, left)], [(2, right)])
gmsh.model.occ.synchronize()
gmsh.option.setNumber("Mesh.MeshSizeMin", 0.5)
gmsh.option.setNumber("Mesh.MeshSizeMax", 0.5)
gmsh.model.mesh.setTransfiniteSurface(right)
gmsh.model.mesh.setRecombine(2, right)
gmsh.model.addPhysicalGroup(2, [left], 7, "left half")
gmsh.model.addPhysicalGroup(2, [right], 8, "right half")
edge = [t for d, t in gmsh.model.getEntitiesInBoundingBox(-0.1, -0.1, -0.1, 0.1, 1.1, 0.1, 1)]
gmsh.model.addPhysicalGroup(1, edge, 3, "edge")
gmsh.model.mesh.generate(2)
gmsh.model.mesh.setOrder(2)
tags, points, _ = gmsh.model.mesh.getNodes()
values = points.reshape(-1, 3).sum(axis=1)
view = gmsh.view.add("sum")
for step in range(2):
    gmsh.view.addModelData(view, step, "plate", "NodeData", tags, [[v + step] for v in values], 0.5 * step)
gmsh.option.setNumber("PostProcessing.SaveMesh", 1)
for version, binary, name in ((2.2, 0, "22"), (2.2, 1, "22_binary"), (4.1, 0, "41"), (4.1, 1, "41_binary")):
    gmsh.option.setNumber("Mesh.MshFileVersion", version)
    gmsh.option.setNumber("Mesh.Binary", binary)
    gmsh.view.write(view, f"plate_{name}.msh")

# A block of quadratic wedges or hexahedra, as .msh and as CGNS.
for name, recombine in (("wedges", False), ("hexahedra", True)):
    gmsh.clear()
    gmsh.model.add(name)
    base = gmsh.model.occ.addRectangle(0, 0, 0, 1, 1)
    body = [e for e in gmsh.model.occ.extrude([(2, base)], 0.25, 0, 2, [2], recombine=True) if e[0] == 3]
    gmsh.model.occ.synchronize()
    gmsh.option.setNumber("Mesh.MeshSizeMin", 1)
    gmsh.option.setNumber("Mesh.MeshSizeMax", 1)
    if recombine:
        gmsh.model.mesh.setTransfiniteAutomatic(recombine=True)
    gmsh.model.addPhysicalGroup(3, [body[0][1]], 1, "body")
    gmsh.option.setNumber("Mesh.SecondOrderIncomplete", 0 if recombine else 1)
    gmsh.model.mesh.generate(3)
    gmsh.model.mesh.setOrder(2)
    gmsh.option.setNumber("Mesh.MshFileVersion", 4.1)
    gmsh.option.setNumber("Mesh.Binary", 1)
    gmsh.write(f"{name}.msh")
    gmsh.write(f"{name}.cgns")
