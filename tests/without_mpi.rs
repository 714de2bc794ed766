//! `mpirun` in front of a build that lacks MPI is refused with the reason: N copies would do the same work and write the
//! same file. tests/mpirun.sh runs this in a build without the feature.

use std::process::Command;

#[test]
fn several_ranks_are_refused() {
    if cfg!(feature = "mpi") {
        println!("skipped: this build has MPI");
        return;
    }
    let launcher = ["120", "mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2"];
    let run = Command::new("timeout").args(launcher).arg(env!("CARGO_BIN_EXE_kolmo")).arg("doctor").output();
    let run = match run {
        Ok(run) if run.status.code() != Some(127) => run,
        _ => return println!("skipped: there is no mpirun"),
    };
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{stderr}");
    let told: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error[")).collect();
    assert!(told.len() == 1 && told[0].starts_with("error[K013]: ") && told[0].contains("no MPI"), "{stderr}");
    assert!(run.stdout.is_empty(), "{run:?}");
}
