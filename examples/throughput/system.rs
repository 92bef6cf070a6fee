//! CPU time and memory of this process, and memory of the GPU, as the system reports them.

use std::fs;
use std::process::Command;

/// Of this process, MiB; none where the system does not say (no Linux).
pub fn peak_rss() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

/// CPU seconds of all threads of this process; `None` where the system does not say.
pub fn cpu_time() -> Option<f64> {
    /// Of Linux on every processor that ONNX Runtime has.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Fields are counted from after the program's name, which may have spaces: user time is the 12th, system the 13th.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields[11].parse::<f64>().ok()? + fields[12].parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

/// Memory in use on a GPU, by all processes, MiB; none where there is no NVIDIA driver.
pub fn gpu_memory(device: u32) -> Option<u64> {
    let output = Command::new("nvidia-smi")
        .args([
            "--query-gpu=memory.used",
            "--format=csv,noheader,nounits",
            "-i",
            &device.to_string(),
        ])
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
