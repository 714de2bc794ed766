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
                signal_hook::low_level::exit(128 + signal);
            }
        });
    }
    // A panic is a defect: its message is printed by the hook, the exit code is that of a failed computation.
    let code = std::panic::catch_unwind(cli::run).unwrap_or(1);
    std::process::exit(code);
}
