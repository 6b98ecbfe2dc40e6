//! Room 5: event → the sinks it goes to. Pure: ordered rules, first match wins, nothing is implicit.

use crate::config::{Condition, RouteConfig, RouteTarget, When};
use crate::event::Event;

/// The routes of a configuration, ready to be asked.
#[derive(Debug, Clone)]
pub struct Router {
    routes: Vec<RouteConfig>,
}

/// Where one event goes, and by which rules: what `explain` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'r> {
    /// Names of the routes that matched, in order.
    pub routes: Vec<&'r str>,
    /// Sinks by name, each at most once; empty means `discard` was written out.
    pub targets: Vec<&'r RouteTarget>,
}

impl Router {
    /// A router over checked routes: the configuration has made sure that a catch-all exists.
    #[must_use]
    pub fn new(routes: Vec<RouteConfig>) -> Self {
        Self { routes }
    }

    /// The routes' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|route| route.name.as_str())
    }

    /// The first route that matches, and those after it while `continue` says so.
    #[must_use]
    pub fn decide(&self, event: &Event) -> Decision<'_> {
        let mut decision = Decision { routes: Vec::new(), targets: Vec::new() };
        for route in &self.routes {
            if !matches(&route.when, event) {
                continue;
            }
            decision.routes.push(&route.name);
            for target in &route.targets {
                if !decision.targets.iter().any(|seen| seen.configured == target.configured) {
                    decision.targets.push(target);
                }
            }
            if !route.continues {
                break;
            }
        }
        decision
    }
}

/// Whether all that `when` asks is true of `event`. A field that the record lacks matches as "".
fn matches(when: &When, event: &Event) -> bool {
    let fields = &event.fields;
    let is = |condition: &Condition, value: Option<&str>| condition.matches(value.unwrap_or(""));
    let findings: Vec<&str> = fields.findings.iter().map(|finding| finding.rule.id).collect();
    when.event.matches(&fields.name)
        && when.outcome.matches(fields.outcome.as_str())
        && when.severity.matches(fields.severity.as_str())
        && when.finding.matches_among(&findings)
        && is(&when.account, fields.account.as_deref())
        && is(&when.region, fields.region.as_deref())
        && is(&when.principal, fields.caller.as_deref())
        && is(&when.target, fields.target.as_deref())
        && when.channel.matches(event.lane.as_str())
        && is(&when.ou, event.account.as_ref().and_then(|account| account.ou.as_deref()))
        && when.certificate.matches_among(&fields.certificate)
        && when.labels.iter().all(|(name, condition)| is(condition, event.label(name)))
}

#[cfg(test)]
mod tests;
