//! `check --connect`: asks every queue, every secret that AWS keeps and every sink whether it would work with us, and changes nothing.

use std::path::Path;

use crate::config::{Config, SourceKind};
use crate::outcome::Why;
use crate::pipeline;
use crate::queue::{QueueFacts, warnings};
use crate::sink;
use crate::telemetry::escape;

/// Tells each place's answer on stderr, and whether all were good.
pub(super) async fn connect(config: &Config) -> bool {
    let sources = match pipeline::sources(config, None).await {
        Ok(sources) => sources,
        Err(why) => return tell("sources", Err(why)),
    };
    let mut all_good = true;
    match pipeline::secrets(config, None).await {
        Err(why) => return tell("secrets", Err(why)),
        Ok(answers) => {
            for (place, answer) in answers {
                all_good &= tell(&place, answer.map(|()| Vec::new()));
            }
        }
    }
    for (source, described) in sources.iter().zip(&config.sources) {
        let answer = match &described.kind {
            SourceKind::Sqs { .. } => source.queue.facts().await,
            SourceKind::Directory(path) => listed(path).await,
        };
        let answer = answer.map(|facts| facts.as_ref().map(warnings).unwrap_or_default());
        all_good &= tell(&format!("source {}", source.queue.name()), answer);
    }
    for one in &config.sinks {
        let answer = match pipeline::sink_credentials(config, one, None).await {
            Ok(credentials) => sink::probe(one, credentials).await.map(|()| Vec::new()),
            Err(why) => Err(why),
        };
        all_good &= tell(&format!("sink {}", one.name), answer);
    }
    all_good
}

/// A folder has no settings; it can be listed or not.
async fn listed(path: &Path) -> Result<Option<QueueFacts>, Why> {
    match tokio::fs::read_dir(path).await {
        Ok(_) => Ok(None),
        Err(cause) => Err(Why::new("directory", format!("cannot be listed: {cause}"))),
    }
}

fn tell(place: &str, answer: Result<Vec<String>, Why>) -> bool {
    let place = escape(place);
    match &answer {
        Ok(warnings) => {
            eprintln!("{place}: answers");
            warnings.iter().for_each(|text| eprintln!("warning: {place}: {}", escape(text)));
        }
        Err(why) => eprintln!("{place}: {} ({})", escape(&why.text), why.code),
    }
    answer.is_ok()
}
