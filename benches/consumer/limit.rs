//! A share of a CPU for a child, as a small Fargate task has it.

use std::io;
use std::path::PathBuf;

/// The period in which the share is given, in microseconds: the kernel's default.
const PERIOD: f64 = 100_000.0;

/// A control group with a quota; removed when dropped.
pub(crate) struct Limit {
    folder: PathBuf,
}

impl Limit {
    /// A group whose members get `cpus` CPUs each period. Needs root and control groups, version 1.
    pub(crate) fn new(cpus: f64) -> io::Result<Self> {
        let name = format!("certrelay-bench-{}", std::process::id());
        let folder = PathBuf::from("/sys/fs/cgroup/cpu").join(name);
        std::fs::create_dir(&folder)?;
        let limit = Self { folder };
        let quota = (cpus * PERIOD).round() as u64;
        std::fs::write(limit.folder.join("cpu.cfs_quota_us"), quota.to_string())?;
        Ok(limit)
    }

    /// Moves a process into the group.
    pub(crate) fn take(&self, process: u32) -> io::Result<()> {
        std::fs::write(self.folder.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.folder);
    }
}
