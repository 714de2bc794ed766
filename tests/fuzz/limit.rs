//! Memory that a reader asks for, all of it together, against what its input allows.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

/// Allowed beside 4 times the size of the file.
const FLOOR: usize = 64 << 20;

/// The allocator of the system, counted.
pub struct Counted;

fn more(n: usize) {
    PEAK.fetch_max(LIVE.fetch_add(n, Relaxed) + n, Relaxed);
}

// SAFETY: every call is handed on to the allocator of the system as it is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may be there at once.
        more(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Runs `work` on a file of `size` bytes; panics where it held more memory at once than 4 times that and 64 MB. The highest of
/// all runs is printed where `KOLMO_FUZZ_PEAK` is set.
pub fn bounded(size: usize, work: impl FnOnce()) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    work();
    let used = PEAK.load(Relaxed).saturating_sub(before);
    assert!(used <= 4 * size + FLOOR, "{used} bytes of memory at once for a file of {size} bytes");
    if HIGHEST.fetch_max(used, Relaxed) < used && std::env::var_os("KOLMO_FUZZ_PEAK").is_some() {
        eprintln!("peak: {used} bytes for a file of {size} bytes");
    }
}
