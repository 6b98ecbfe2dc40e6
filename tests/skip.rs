//! A test that cannot run on this machine is reported in the last lines of `make test`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Records in `target/real/skipped` that `what` was skipped and how to enable it.
///
/// # Panics
/// With `CI=true` a skipped test is a failed one.
pub(crate) fn skip(what: &str, how: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "SKIPPED, which is a failure with CI=true: {what}: {how}"
    );
    eprintln!("SKIPPED {what}: {how}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/real");
    let written = fs::create_dir_all(&folder)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(folder.join("skipped")))
        .and_then(|mut file| file.write_all(format!("{what}: {how}\n").as_bytes()));
    written.expect("target/ can be written to");
}
