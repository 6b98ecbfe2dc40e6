//! What a route says of its own about a sink: the same sink with another topic or index, spelled out
//! to a sink of its own, so that nothing later has to know that there is such a thing.

use super::super::{Mapping, RouteConfig, RouteTarget, SinkConfig, SinkKind};
use super::{route, sink};

/// The routes, and the sinks that they use. `None` only where a mistake was noted.
pub(super) fn spell_out(
    routes: Vec<route::Draft<'_>>,
    sinks: Vec<sink::Draft>,
) -> Option<(Vec<RouteConfig>, Vec<SinkConfig>)> {
    let written = sinks.len();
    let known: Vec<SinkConfig> = sinks.into_iter().filter_map(|draft| draft.config).collect();
    // All of them are looked at, so that all mistakes are told.
    let variants: Vec<Vec<Option<SinkConfig>>> = routes
        .iter()
        .map(|route| route.targets.iter().map(|target| variant(&known, target)).collect())
        .collect();
    if known.len() < written {
        return None;
    }
    let (mut spelled, mut used) = (Vec::new(), Vec::<SinkConfig>::new());
    for (route, variants) in routes.into_iter().zip(variants) {
        let mut targets = Vec::new();
        for (target, sink) in route.targets.into_iter().zip(variants) {
            let sink = sink?;
            targets.push(RouteTarget { sink: sink.name.clone(), of: target.sink });
            if !used.iter().any(|seen| seen.name == sink.name) {
                used.push(sink);
            }
        }
        spelled.push(RouteConfig {
            name: route.name?.0,
            when: route.when?,
            targets: route.is_sound.then_some(targets)?,
            goes_on: route.goes_on,
        });
    }
    // As they are written, each sink's variants behind it.
    let place = |name: &str| {
        let base = name.split(':').next();
        known.iter().position(|known| Some(known.name.as_str()) == base)
    };
    used.sort_by_key(|sink| (place(&sink.name), sink.name.clone()));
    Some((spelled, used))
}

/// The sink as this route wants it.
fn variant(known: &[SinkConfig], target: &route::Target<'_>) -> Option<SinkConfig> {
    let mut sink = known.iter().find(|sink| sink.name == target.sink)?.clone();
    let mut own = None;
    if let Some((topic, item)) = &target.topic {
        let SinkKind::Kafka(kafka) = &mut sink.kind else {
            item.mistake("only a sink of type \"kafka\" has a `topic`");
            return None;
        };
        own = (kafka.topic.literal() != Some(topic.as_str())).then_some(topic);
        kafka.topic = Mapping::Literal(topic.clone());
    }
    if let Some((index, item)) = &target.index {
        let SinkKind::SplunkHec(hec) = &mut sink.kind else {
            item.mistake("only a sink of type \"splunk_hec\" has an `index`");
            return None;
        };
        let before = hec.index.as_ref().and_then(Mapping::literal);
        own = (before != Some(index.as_str())).then_some(index);
        hec.index = Some(Mapping::Literal(index.clone()));
    }
    if let Some(own) = own {
        sink.name = format!("{}:{own}", target.sink);
    }
    Some(sink)
}
