//! CPU seconds and memory of this process.

use std::fs;

/// CPU seconds of this process, all threads, in steps of 1/100 s as Linux counts them.
pub fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    // The name in brackets may hold spaces.
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..].split(' ').collect();
    let ticks = |i: usize| fields[i].parse::<f64>().expect("ticks");
    (ticks(11) + ticks(12)) / 100.0
}

/// A result and the CPU seconds that it took.
pub fn timed<T>(f: impl FnOnce() -> T) -> (f64, T) {
    let before = cpu_seconds();
    let result = f();
    (cpu_seconds() - before, result)
}

/// The middle one.
pub fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Forgets the peak of the memory so far.
pub fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("Linux");
}

/// Largest resident memory since [`forget_peak`], in GB.
pub fn peak_gigabytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).expect("kB") * 1024.0 / 1e9
}
