//! The rules that a compiler does not know. Each is a function from sources to complaints, and each
//! has a test that it does complain about a bad sample.

mod codes;
mod cycles;
mod imports;
mod lengths;
mod metrics;
mod reliability;
mod sources;
mod tracked;
mod words;

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

    /// Numbered lines of code: no comments, and nothing that only tests see.
    fn code(&self) -> Vec<(usize, &str)> {
        let mut code = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if line.trim() == "#[cfg(test)]" {
                // As rustfmt lays it out, the item ends at a `;` or at a `}` with its own
                // indentation.
                let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
                let mut item = lines.by_ref().skip_while(|(_, line)| line.trim().starts_with("#["));
                let first = item.next().is_none_or(|(_, item)| item.ends_with(';'));
                if !first {
                    lines.by_ref().find(|(_, line)| line.trim_end_matches(';') == end);
                }
            } else if !line.trim_start().starts_with("//") {
                code.push((number + 1, line));
            }
        }
        code
    }

    /// Modules that this file declares under `#[cfg(test)]`, as paths without `.rs`.
    fn test_modules(&self) -> Vec<String> {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let folder = ["/mod", "/lib", "/main"].iter().find_map(|name| stem.strip_suffix(name));
        let folder = folder.unwrap_or(stem);
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        lines
            .windows(2)
            .filter(|pair| pair[0] == "#[cfg(test)]")
            .filter_map(|pair| pair[1].rsplit_once("mod ")?.1.strip_suffix(';'))
            .map(|name| format!("{folder}/{name}"))
            .collect()
    }
}

/// The sources without those that only tests see.
fn shipped(sources: &[Source]) -> Vec<&Source> {
    let of_tests: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    let is_shipped = |source: &&Source| {
        !of_tests.iter().any(|module| {
            let rest = source.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    };
    sources.iter().filter(is_shipped).collect()
}

/// Fails with every complaint, one a line.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn code_that_only_tests_see_is_left_out() {
    let parent = Source::sample("src/sink/mod.rs", "#[cfg(test)]\nmod testing;\nmod kafka;\n");
    let testing = Source::sample("src/sink/testing.rs", "");
    let kafka = Source::sample(
        "src/sink/kafka.rs",
        "use a;\n#[cfg(test)]\nmod tests {\n    use b;\n}\n// use c;\nuse d;\n",
    );
    let elsewhere = Source::sample(
        "src/queue/sqs.rs",
        "#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\nuse a;\nfn f() {\n}\nuse b;\n",
    );
    assert_eq!(elsewhere.code()[0], (4, "use a;"));
    assert_eq!(kafka.code(), [(1, "use a;"), (7, "use d;")]);
    assert_eq!(parent.code(), [(3, "mod kafka;")]);
    let all = [parent, testing, kafka];
    let paths: Vec<&str> = shipped(&all).iter().map(|source| source.path.as_str()).collect();
    assert_eq!(paths, ["src/sink/mod.rs", "src/sink/kafka.rs"]);
}
