//! `healthcheck`: requests `/livez`, because a minimal image has no curl. Never checks
//! destinations: an orchestrator that restarts tasks while Splunk is down only makes it worse.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use super::output::print_error;

/// Timeout of each step: more than a live process needs, less than any orchestrator's own timeout.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address in `[http] listen`
    #[arg(long, default_value = "127.0.0.1:9600", value_parser = address)]
    address: SocketAddr,
}

/// Parses an address. Host names are rejected: resolving one can fail, and `[http] listen` accepts
/// none either.
fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:9600 or [::1]:9600")
}

pub(super) fn healthcheck(args: &Args) -> ExitCode {
    let failure = match status_line(args.address) {
        Ok(line) if line.contains(" 200 ") => return ExitCode::SUCCESS,
        Ok(line) => line,
        Err(cause) => cause.to_string(),
    };
    print_error(&format!("http://{}/livez: {failure}", args.address));
    ExitCode::FAILURE
}

fn status_line(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut response = Vec::new();
    stream.take(4096).read_to_end(&mut response)?;
    let response = String::from_utf8_lossy(&response);
    Ok(response.lines().next().unwrap_or_default().to_owned())
}
