#!/bin/sh
# Runs the tests of the communicator on 1, 2 and 3 ranks, then compares `mpirun -n N kolmo …` with the serial run,
# strikes at fits of three ranks (KOLMO_FAULTS=30 for all faults), and refuses ranks in a build without MPI.
set -eu
cd "$(dirname "$0")/.."

if ! command -v mpirun >/dev/null 2>&1; then
    echo "mpirun is missing; mend: ./setup mpi" >&2
    exit 1
fi

binary=$(cargo test --locked --features mpi --test mpi --no-run --quiet --message-format=json |
    sed -n 's/.*"name":"mpi".*"executable":"\([^"]*\)".*/\1/p')
if [ ! -x "$binary" ]; then
    echo "tests/mpi.rs was not built" >&2
    exit 1
fi

for ranks in 1 2 3; do
    echo "tests/mpi.rs on $ranks ranks"
    timeout 600 mpirun --allow-run-as-root --oversubscribe --mca btl_vader_single_copy_mechanism none -n "$ranks" "$binary"
done

KOLMO_MPIRUN=1 cargo test --locked --features mpi --test suite mpi_ranks -- --nocapture
KOLMO_MPIRUN=1 cargo test --locked --features mpi --test suite faults_of_ -- --nocapture
# Only kolmo itself is built again, and quickly.
CARGO_PROFILE_TEST_OPT_LEVEL=0 cargo test --locked --features mpi-unused --test without_mpi
