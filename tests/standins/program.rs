//! The stand-ins as a program: the URLs that it prints work.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::{clients, process, wait};

/// Returns an example that `cargo test` has built with this test.
pub(crate) fn example(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().expect("a test binary");
    let built = own.parent().and_then(Path::parent).expect("target/debug").join("examples");
    let program = built.join(name);
    if !program.exists() {
        crate::skip::skip(name, "the examples are not built: run cargo test without --test");
        return None;
    }
    Some(program)
}

/// The running program; killed when it is dropped.
struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
    printed: Vec<String>,
}

impl Program {
    /// Starts it and reads its output until it is ready.
    fn start(program: &Path, flags: &[&str], home: &Path) -> Self {
        let mut command = Command::new(program);
        process::clean_environment(&mut command, home);
        command.args(flags).current_dir(env!("CARGO_MANIFEST_DIR"));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the example runs");
        let stdout = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut program = Self { child, stdout, printed: Vec::new() };
        while !program.printed.last().is_some_and(|line| line.starts_with("Running until")) {
            let mut line = String::new();
            let length = program.stdout.read_line(&mut line).expect("text");
            assert!(length > 0, "it ended: {:#?}", program.printed);
            program.printed.push(line);
        }
        program
    }

    /// Returns the word after `label` at the start of a line, and the rest of that line.
    fn after(&self, label: &str) -> (String, String) {
        let rest = self.printed.iter().find_map(|line| line.strip_prefix(label)).map(str::trim);
        let rest = rest.unwrap_or_else(|| panic!("no {label}: {:#?}", self.printed));
        let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
        (word.to_owned(), more.trim().to_owned())
    }

    /// Sends SIGINT; returns the exit code and the remaining output.
    async fn interrupt(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -INT \"$0\"", &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "no SIGINT could be sent");
        let status = wait::until("the stand-ins to end after Ctrl-C", async || {
            self.child.try_wait().expect("it is our child")
        })
        .await;
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).expect("text");
        (status.code(), text)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_printed_urls_respond_as_s3_sqs_and_splunk() {
    let Some(program) = example("standins") else { return };
    let home = tempfile::tempdir().expect("a temporary folder");
    let program = Program::start(&program, &["--load", "examples/cloudtrail"], home.path());
    let (s3_url, about) = program.after("S3 ");
    let (queue_url, _) = program.after("SQS ");
    let (hec_url, token) = program.after("HEC ");
    let sqs_url = queue_url.rsplitn(3, '/').last().expect("a host");
    let (s3, sqs) = clients::of(&s3_url, sqs_url);

    let listed = s3.list_objects_v2().bucket("audit-logs").send().await.expect("a list");
    let keys: Vec<&str> = listed.contents().iter().filter_map(|object| object.key()).collect();
    assert!(about.ends_with(&format!("{} objects", keys.len())), "{about}: {keys:?}");
    assert!(keys.len() >= 3 && keys.iter().all(|key| key.starts_with("AWSLogs/")), "{keys:?}");
    let got = s3.get_object().bucket("audit-logs").key(keys[0]).send().await.expect("an object");
    assert!(got.content_length().is_some_and(|length| length > 0));

    let receive = sqs.receive_message().queue_url(&queue_url).max_number_of_messages(10);
    let received = receive.send().await.expect("messages");
    assert_eq!(received.messages().len(), (keys.len() + 1).min(10), "and the test event");

    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let post = http.post(format!("{hec_url}/services/collector"));
    let token = token.strip_prefix("token ").expect("a token");
    let post = post.header("authorization", format!("Splunk {token}"));
    let response = post.body(r#"{"event":"hello"}"#).send().await.expect("a response");
    assert_eq!(response.text().await.expect("text"), r#"{"code":0,"text":"Success"}"#);

    let (code, summary) = program.interrupt().await;
    assert_eq!(code, Some(0));
    for line in [r#""GetObject": 1"#, r#""ReceiveMessage": 1"#, "1 requests, 1 events"] {
        assert!(summary.contains(line), "no {line}: {summary}");
    }
}
