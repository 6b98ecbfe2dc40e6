//! A test that cannot run here says so where nobody can miss it: in the last lines of `make test`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Notes that `what` was skipped and how to enable it, in `target/real/skipped`.
///
/// # Panics
/// With `CI=true`: there a skipped test is a failed one.
pub(crate) fn skip(what: &str, how: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "SKIPPED, which is a failure with CI=true: {what}: {how}"
    );
    eprintln!("SKIPPED {what}: {how}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/real");
    let noted = fs::create_dir_all(&folder)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(folder.join("skipped")))
        .and_then(|mut file| file.write_all(format!("{what}: {how}\n").as_bytes()));
    noted.expect("target/ can be written to");
}
