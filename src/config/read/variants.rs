//! What a route says of its own about a sink: the same sink with another topic or index, spelled out
//! to a sink of its own, so that nothing later has to know that there is such a thing.

use super::super::{RouteConfig, RouteTarget, SinkConfig, SinkKind};
use super::{route, sink};

/// The routes, and the sinks that they use. `None` only where a mistake was noted.
pub(super) fn spell_out(
    routes: Vec<route::Draft<'_>>,
    sinks: Vec<sink::Draft>,
) -> Option<(Vec<RouteConfig>, Vec<SinkConfig>)> {
    let known: Option<Vec<SinkConfig>> = sinks.into_iter().map(|draft| draft.config).collect();
    let known = known?;
    let mut used: Vec<SinkConfig> = Vec::new();
    let mut spelled = Vec::new();
    for route in routes {
        let mut targets = Vec::new();
        for target in &route.targets {
            let base = known.iter().find(|sink| sink.name == target.sink)?;
            let sink = variant(base, target)?;
            targets.push(RouteTarget { sink: sink.name.clone(), of: base.name.clone() });
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
    // In the order in which they are written, each sink's variants behind it.
    let base = |name: &str| name.split(':').next().unwrap_or(name).to_owned();
    used.sort_by_key(|sink| {
        (known.iter().position(|known| known.name == base(&sink.name)), sink.name.clone())
    });
    Some((spelled, used))
}

/// The sink as this route wants it.
fn variant(base: &SinkConfig, target: &route::Target<'_>) -> Option<SinkConfig> {
    let mut sink = base.clone();
    let mut own = None;
    if let Some((topic, item)) = &target.topic {
        let SinkKind::Kafka(kafka) = &mut sink.kind else {
            item.mistake("only a sink of type \"kafka\" has a `topic`");
            return None;
        };
        own = (kafka.topic != *topic).then_some(topic);
        kafka.topic.clone_from(topic);
    }
    if let Some((index, item)) = &target.index {
        let SinkKind::SplunkHec(hec) = &mut sink.kind else {
            item.mistake("only a sink of type \"splunk_hec\" has an `index`");
            return None;
        };
        own = (hec.index.as_ref() != Some(index)).then_some(index);
        hec.index = Some(index.clone());
    }
    if let Some(own) = own {
        sink.name = format!("{}:{own}", base.name);
    }
    Some(sink)
}
