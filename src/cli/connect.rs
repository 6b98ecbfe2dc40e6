//! `check --connect`: asks every queue and bucket, every secret that AWS keeps, every sink and the dead-letter place whether
//! it would work with us, and changes nothing.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use crate::app;
use crate::config::{Config, FileConfig, SinkConfig, SinkKind, SourceKind};
use crate::error::{Code, Error};
use crate::queue::QueueAttributes;
use crate::sink::{self, Wanted};
use crate::telemetry::escape;

/// Tells each place's answer on stderr, and whether all were good.
pub(super) async fn connect(config: &Config) -> bool {
    let sources = match app::sources(config, None).await {
        Ok(sources) => sources,
        Err(error) => return tell("sources", Err(error)),
    };
    let mut all_good = true;
    match app::secrets(config, None).await {
        Err(error) => return tell("secrets", Err(error)),
        Ok(answers) => {
            for (place, answer) in answers {
                all_good &= tell(&place, answer.map(|()| Vec::new()));
            }
        }
    }
    for (source, described) in sources.iter().zip(&config.sources) {
        let answer = match &described.kind {
            SourceKind::Sqs { .. } => source.queue.attributes().await,
            SourceKind::Directory(path) => listed(path).await,
        };
        let answer =
            answer.map(|facts| facts.as_ref().map(QueueAttributes::warnings).unwrap_or_default());
        all_good &= tell(&format!("source {}", source.queue.name()), answer);
    }
    match app::places(config, None).await {
        Err(error) => return tell("buckets", Err(error)),
        Ok(answers) => {
            for (place, answer) in answers {
                all_good &= tell(&place, answer.map(|warning| warning.into_iter().collect()));
            }
        }
    }
    for one in &config.sinks {
        let answer = match (&one.kind, app::sink_credentials(config, one, None).await) {
            (SinkKind::File(file), _) => opened(one, file),
            (_, Ok(credentials)) => sink::probe(one, credentials, Wanted::All).await,
            (_, Err(error)) => Err(error),
        };
        all_good &= tell(&format!("sink {}", one.name), answer.map(|()| Vec::new()));
    }
    all_good
}

/// Opens the file as it is, or sees that there is a folder to make it in.
fn opened(sink: &SinkConfig, file: &FileConfig) -> Result<(), Error> {
    let opened = OpenOptions::new().append(true).open(&file.path);
    let (opened, place) = match opened {
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            let folder = file.path.parent().unwrap_or(&file.path);
            (std::fs::read_dir(folder).map(drop), folder)
        }
        opened => (opened.map(drop), file.path.as_path()),
    };
    opened.map_err(|cause| {
        let text = format!("sink.{}.path: cannot open {}: {cause}", sink.name, place.display());
        Error::new(Code::FileFailed, text)
    })
}

/// A folder has no settings; it can be listed or not.
async fn listed(path: &Path) -> Result<Option<QueueAttributes>, Error> {
    match tokio::fs::read_dir(path).await {
        Ok(_) => Ok(None),
        Err(cause) => Err(Error::new(Code::Directory, format!("cannot be listed: {cause}"))),
    }
}

fn tell(place: &str, answer: Result<Vec<String>, Error>) -> bool {
    let place = escape(place);
    match &answer {
        Ok(warnings) => {
            eprintln!("{place}: answers");
            warnings.iter().for_each(|text| eprintln!("warning: {place}: {}", escape(text)));
        }
        Err(error) => eprintln!("{place}: {} ({})", escape(&error.text), error.code),
    }
    answer.is_ok()
}
