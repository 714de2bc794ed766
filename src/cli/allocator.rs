//! Memory that is freed goes back to the system: `[reduction] memory` is a promise about resident memory.
//!
//! The allocator of glibc maps large pieces one by one and unmaps them when they are freed; but each one that is freed
//! raises the size that counts as large, up to 32 MiB, and with it what it keeps: blocks of rows would then lie between
//! smaller pieces, and their room would stay with the process.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_int;

    // SAFETY: as <malloc.h> of the GNU C library declares it, which the standard library links.
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }

    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_THRESHOLD: c_int = -3;
    /// Pieces from this size on are mapped one by one; whoever asks for one uses it for longer than the mapping takes.
    const LARGE: c_int = 1 << 20;
    /// What may stay free at the end of the heap.
    const KEPT: c_int = 1 << 22;

    pub fn give_back() {
        // SAFETY: two numbers of the allocator are set, in the only thread that runs yet; whatever it answers is fine.
        unsafe {
            mallopt(M_MMAP_THRESHOLD, LARGE);
            mallopt(M_TRIM_THRESHOLD, KEPT);
        }
    }
}

/// From here on large pieces of memory that are freed go back to the system at once; to be called before other threads are
/// started.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::give_back();
}
