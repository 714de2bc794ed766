//! The program `kolmo`.

mod cli;

fn main() {
    cli::allocator::give_back();
    cli::signals::watch();
    // A panic is a defect: its message is printed by the hook, the exit code is that of a failed computation.
    let code = std::panic::catch_unwind(cli::run).unwrap_or_else(|_| {
        // Other ranks may wait in a collective for this one.
        kolmo::comm::mpi::abort(1);
        1
    });
    kolmo::comm::mpi::finish();
    std::process::exit(code);
}
