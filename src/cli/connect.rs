//! `check --connect`: asks every queue and every sink whether it would work with us, and changes nothing.

use aws_config::Region;

use crate::config::{Config, SourceConfig, SourceKind};
use crate::outcome::Why;
use crate::queue::{SqsQueue, warnings};
use crate::sink;
use crate::telemetry::escape;

/// Tells each place's answer on stderr, and whether all were good.
pub(super) async fn connect(config: &Config) -> bool {
    let mut all_good = true;
    for source in &config.sources {
        all_good &= tell(&source_name(source), source_answer(config, source).await);
    }
    for one in &config.sinks {
        let answer = sink::probe(one).await.map(|()| Vec::new());
        all_good &= tell(&format!("sink {}", one.name), answer);
    }
    all_good
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

fn source_name(source: &SourceConfig) -> String {
    match &source.kind {
        SourceKind::Sqs { queue_url, .. } => format!("source {queue_url}"),
        SourceKind::Directory(path) => format!("source {}", path.display()),
    }
}

/// What should be looked at, of a source that answers.
async fn source_answer(config: &Config, source: &SourceConfig) -> Result<Vec<String>, Why> {
    match &source.kind {
        SourceKind::Sqs { queue_url, region } => {
            let aws = aws_config::from_env().region(Region::new(region.clone())).load().await;
            let endpoint = config.aws.sqs_endpoint.as_ref().map(url::Url::as_str);
            let visibility = config.delivery.visibility;
            let queue = SqsQueue::new(&aws, queue_url.as_str(), region, endpoint, visibility);
            queue.facts().await.map(|facts| warnings(&facts))
        }
        SourceKind::Directory(path) => match tokio::fs::read_dir(path).await {
            Ok(_) => Ok(Vec::new()),
            Err(cause) => Err(Why::new("directory", format!("cannot be listed: {cause}"))),
        },
    }
}
