#!/bin/sh
# Makes the cases beside it with OpenFOAM 1912 (Debian 12: apt-get install --no-install-recommends openfoam):
#   cavity, cavity_binary     lid-driven flow, 12 x 12 hexahedra of one layer between empty patches, icoFoam
#   sphere, sphere_binary     heat conduction around a sphere, snappyHexMesh, so with polyhedra, laplacianFoam; the first is gzipped
# and writes checkMesh.txt and, beside this folder, ../ensight (foamToEnsight). values.py then writes values.json.
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap '[ $? = 0 ] || tail -n 40 "$work"/*.log; rm -rf "$work"' EXIT
: "${WM_PROJECT_DIR:=/usr/share/openfoam}"
export WM_PROJECT_DIR

# dictionary CASE FILE: the text of standard input behind a header.
dictionary() {
    mkdir -p "$(dirname "$1/$2")"
    { printf 'FoamFile { version 2.0; format ascii; class %s; object %s; }\n' "${3:-dictionary}" "$(basename "$2")"; cat; } > "$1/$2"
}

control() {
    dictionary "$1" system/controlDict <<END
application $2; startFrom startTime; startTime 0; stopAt endTime; endTime $3; deltaT $4;
writeControl runTime; writeInterval $5; writeFormat ascii; writePrecision 9; writeCompression ${6:-off}; timePrecision 6;
END
    dictionary "$1" system/fvSchemes <<'END'
ddtSchemes { default Euler; } gradSchemes { default Gauss linear; } divSchemes { default Gauss linear; }
laplacianSchemes { default Gauss linear corrected; } interpolationSchemes { default linear; } snGradSchemes { default corrected; }
END
    dictionary "$1" system/fvSolution <<'END'
solvers { p { solver PCG; preconditioner DIC; tolerance 1e-9; relTol 0; } pFinal { $p; }
  T { $p; } U { solver PBiCGStab; preconditioner DILU; tolerance 1e-9; relTol 0; } }
PISO { nCorrectors 2; nNonOrthogonalCorrectors 0; pRefCell 0; pRefValue 0; }
SIMPLE { nNonOrthogonalCorrectors 1; }
END
}

# vertices X Y Z: a box from the origin.
vertices() {
    printf 'vertices ((0 0 0) (%s 0 0) (%s %s 0) (0 %s 0) (0 0 %s) (%s 0 %s) (%s %s %s) (0 %s %s));\n' \
        "$1" "$1" "$2" "$2" "$3" "$1" "$3" "$1" "$2" "$3" "$2" "$3"
}

cavity() {
    c=$work/cavity
    control "$c" icoFoam 0.1 0.005 0.05
    { vertices 0.1 0.1 0.01; cat <<'END'
blocks (hex (0 1 2 3 4 5 6 7) (12 12 1) simpleGrading (1 2 1)); edges (); mergePatchPairs ();
boundary ( lid { type wall; faces ((3 7 6 2)); } walls { type wall; faces ((0 4 7 3) (2 6 5 1) (1 5 4 0)); }
  sides { type empty; faces ((0 3 2 1) (4 5 6 7)); } );
END
    } | dictionary "$c" system/blockMeshDict
    echo 'nu 0.01;' | dictionary "$c" constant/transportProperties
    dictionary "$c" 0/U volVectorField <<'END'
dimensions [0 1 -1 0 0 0 0]; internalField uniform (0 0 0);
boundaryField { lid { type fixedValue; value uniform (1 0 0); } walls { type noSlip; } sides { type empty; } }
END
    dictionary "$c" 0/p volScalarField <<'END'
dimensions [0 2 -2 0 0 0 0]; internalField uniform 0;
boundaryField { lid { type zeroGradient; } walls { type zeroGradient; } sides { type empty; } }
END
    blockMesh -case "$c"
    icoFoam -case "$c"
    postProcess -case "$c" -time 0.05:0.1 -func 'grad(U)'
}

sphere() {
    c=$work/sphere
    control "$c" laplacianFoam 2 0.1 1 on
    { vertices 1 1 1; cat <<'END'
blocks (hex (0 1 2 3 4 5 6 7) (5 5 5) simpleGrading (1 1 1)); edges (); mergePatchPairs ();
boundary ( hot { type wall; faces ((0 4 7 3)); } cold { type wall; faces ((2 6 5 1)); }
  sides { type wall; faces ((1 5 4 0) (3 7 6 2) (0 3 2 1) (4 5 6 7)); } );
END
    } | dictionary "$c" system/blockMeshDict
    dictionary "$c" system/snappyHexMeshDict <<'END'
castellatedMesh true; snap true; addLayers false;
geometry { ball { type searchableSphere; centre (1 1 1); radius 0.33; } }
castellatedMeshControls { maxLocalCells 100000; maxGlobalCells 100000; minRefinementCells 0; nCellsBetweenLevels 1; features ();
  refinementSurfaces { ball { level (1 1); } } resolveFeatureAngle 30; refinementRegions {} locationInMesh (0.11 0.12 0.13);
  allowFreeStandingZoneFaces true; }
snapControls { nSmoothPatch 3; tolerance 2; nSolveIter 30; nRelaxIter 5; }
addLayersControls { relativeSizes true; layers {} expansionRatio 1; finalLayerThickness 0.3; minThickness 0.1; nGrow 0;
  featureAngle 60; nRelaxIter 3; nSmoothSurfaceNormals 1; nSmoothNormals 3; nSmoothThickness 10; maxFaceThicknessRatio 0.5;
  maxThicknessToMedialRatio 0.3; minMedianAxisAngle 90; nBufferCellsNoExtrude 0; nLayerIter 50; }
meshQualityControls { maxNonOrtho 65; maxBoundarySkewness 20; maxInternalSkewness 4; maxConcave 80; minVol 1e-13; minTetQuality 1e-15;
  minArea -1; minTwist 0.02; minDeterminant 0.001; minFaceWeight 0.05; minVolRatio 0.01; minTriangleTwist -1; nSmoothScale 4; errorReduction 0.75; }
mergeTolerance 1e-6;
END
    echo 'DT DT [0 2 -1 0 0 0 0] 0.05;' | dictionary "$c" constant/transportProperties
    dictionary "$c" 0/T volScalarField <<'END'
dimensions [0 0 0 1 0 0 0]; internalField uniform 300;
boundaryField { hot { type fixedValue; value uniform 400; } ".*" { type zeroGradient; } }
END
    blockMesh -case "$c"
    snappyHexMesh -case "$c" -overwrite
    laplacianFoam -case "$c"
    postProcess -case "$c" -time 1:2 -func writeCellVolumes
    postProcess -case "$c" -time 1:2 -func writeCellCentres
}

# kept CASE NAME: what a reader needs.
kept() {
    rm -rf "${here:?}/$2"
    mkdir -p "$here/$2/system" "$here/$2/constant/polyMesh"
    cp "$1/system/controlDict" "$here/$2/system"
    for f in points faces owner neighbour boundary; do cp "$1/constant/polyMesh/$f"* "$here/$2/constant/polyMesh"; done
    for t in "$1"/[0-9]*; do
        rm -rf "$t/uniform" "$t"/C[xyz]* "$t"/DT* "$t"/flux* "$t"/gradT*
        cp -r "$t" "$here/$2"
    done
}

cavity > "$work/cavity.log" 2>&1
sphere > "$work/sphere.log" 2>&1
: > "$here/checkMesh.txt"
for c in cavity sphere; do
    kept "$work/$c" $c
    echo "checkMesh -case $c -constant" >> "$here/checkMesh.txt"
    checkMesh -case "$work/$c" -constant | grep -E '^ +(points|faces|internal faces|cells|hexahedra|prisms|wedges|pyramids|tet wedges|tetrahedra|polyhedra):|otal volume' >> "$here/checkMesh.txt"
done
ensight=$here/../ensight
for format in ascii binary; do
    option=; [ $format = binary ] || option=-ascii
    rm -rf "$work/cavity/EnSight"
    foamToEnsight -case "$work/cavity" $option -no-boundary -time 0.05:0.1 > "$work/ensight.log" 2>&1
    rm -rf "$ensight/cavity_$format"
    mkdir -p "$ensight"
    mv "$work/cavity/EnSight" "$ensight/cavity_$format"
done
for c in cavity sphere; do
    sed -i 's/writeFormat ascii/writeFormat binary/' "$work/$c/system/controlDict"
    foamFormatConvert -case "$work/$c" > "$work/convert.log" 2>&1
    kept "$work/$c" ${c}_binary
done
