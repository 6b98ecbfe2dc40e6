//! The rules that a compiler does not know. Each is a function from sources to complaints, and each
//! has a test that it does complain about a bad sample.

mod imports;
mod lengths;
mod metrics;
mod sources;
mod tracked;

/// One file of the project, or a sample that stands for one.
struct Source {
    /// Path from the project's root, with `/`.
    path: String,
    text: String,
}

impl Source {
    #[cfg(test)]
    fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Numbered lines of code: no comments, and nothing from a `#[cfg(test)]` on, which by our
    /// habit stands last.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test_file = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        self.text
            .lines()
            .enumerate()
            .take_while(move |(_, line)| !is_test_file && line.trim() != "#[cfg(test)]")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(number, line)| (number + 1, line))
    }
}

/// Fails with every complaint, one a line.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
