//! The program `kolmo`.

mod cli;

fn main() {
    // Signals end the process at once; temporary files are removed first.
    if let Ok(mut signals) =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])
    {
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                kolmo::io::atomic::remove_live();
                cli::stopped(signal);
                signal_hook::low_level::exit(128 + signal);
            }
        });
    }
    // A panic is a defect: its message is printed by the hook, the exit code is that of a failed computation.
    let code = std::panic::catch_unwind(cli::run).unwrap_or_else(|_| {
        // Other ranks may wait in a collective for this one.
        kolmo::comm::mpi::abort(1);
        1
    });
    kolmo::comm::mpi::finish();
    std::process::exit(code);
}
