//! A queue's own settings, and warnings about those that put messages at risk. Pure: SQS's
//! attributes come in as text, so that every rule can be tested without a queue.

use std::time::Duration;

use serde_json::Value;

/// Below this, a few restarts or one short outage move good messages to the dead-letter queue: nine
/// releases take less than an hour.
const MIN_RECEIVES: u64 = 10;

/// So many releases, each up to a quarter of an hour long, take twelve hours or more.
const RECOMMENDED_RECEIVES: u64 = 100;

/// Below this, messages are redelivered to other consumers while they are still being processed.
const MIN_VISIBILITY: Duration = Duration::from_secs(30);

/// Below this, an outage over a weekend loses messages for good: retention is the true deadline.
const MIN_RETENTION: Duration = Duration::from_secs(3 * 24 * 3600);

/// A queue's own settings, as far as they matter to a consumer. `None`: not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueAttributes {
    /// `VisibilityTimeout`, for receives that do not set their own.
    pub visibility_timeout: Option<Duration>,
    /// `MessageRetentionPeriod`: after this a message is deleted, received or not.
    pub retention: Option<Duration>,
    /// `RedrivePolicy`; without one a poison message is redelivered until its retention ends.
    pub redrive: Option<Redrive>,
    /// Whether `Policy` allows everybody something without a condition.
    pub is_public: bool,
}

/// `RedrivePolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Receives after which SQS moves a message.
    pub max_receive_count: u64,
    /// The queue to which it is moved.
    pub dead_letter_arn: String,
}

impl QueueAttributes {
    /// Reads the attributes by their names in the SQS API; those missing or unreadable are not
    /// known.
    pub(crate) fn read<'a>(attribute: impl Fn(&str) -> Option<&'a str>) -> Self {
        let seconds = |name| attribute(name)?.parse().ok().map(Duration::from_secs);
        let json = |name| serde_json::from_str::<Value>(attribute(name)?).ok();
        Self {
            visibility_timeout: seconds("VisibilityTimeout"),
            retention: seconds("MessageRetentionPeriod"),
            redrive: json("RedrivePolicy").and_then(|policy| redrive(&policy)),
            is_public: json("Policy").is_some_and(|policy| is_public(&policy)),
        }
    }

    /// Returns warnings for the operator, one sentence each, with what to do.
    #[must_use]
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match &self.redrive {
            None => warnings.push(
                "the queue has no redrive policy: a message that can never be processed is \
                 redelivered until its retention ends and is then lost; set RedrivePolicy with a \
                 dead-letter queue"
                    .to_owned(),
            ),
            Some(redrive) if redrive.max_receive_count < MIN_RECEIVES => warnings.push(format!(
                "the queue's maxReceiveCount is {}: a few restarts or a short outage move good \
                 messages to {}; set it to {RECOMMENDED_RECEIVES}, which outlasts twelve hours",
                redrive.max_receive_count, redrive.dead_letter_arn
            )),
            Some(_) => {}
        }
        if self.is_public {
            warnings.push(
                "the queue's policy allows everybody to send without a condition: a sender can \
                 name objects of its own; allow only the bucket, topic or rule that feeds the queue"
                    .to_owned(),
            );
        }
        if let Some(timeout) = self.visibility_timeout.filter(|time| *time < MIN_VISIBILITY) {
            warnings.push(format!(
                "the queue's VisibilityTimeout is {} s: its other consumers would receive messages \
                 that are still being processed; certrelay sets its own at each receive",
                timeout.as_secs()
            ));
        }
        if let Some(retention) = self.retention.filter(|time| *time < MIN_RETENTION) {
            warnings.push(format!(
                "the queue's MessageRetentionPeriod is {} h: a longer outage loses messages for \
                 good; set it to 14 days (1209600)",
                retention.as_secs() / 3600
            ));
        }
        warnings
    }
}

/// `maxReceiveCount` is a number or a string of one, depending on who wrote it.
fn redrive(policy: &Value) -> Option<Redrive> {
    let count = policy.get("maxReceiveCount")?;
    Some(Redrive {
        max_receive_count: count.as_u64().or_else(|| count.as_str()?.parse().ok())?,
        dead_letter_arn: policy.get("deadLetterTargetArn")?.as_str()?.to_owned(),
    })
}

/// Returns whether any statement allows everybody something unconditionally. A condition is assumed
/// to restrict: S3 is allowed by `aws:SourceArn` of the bucket.
fn is_public(policy: &Value) -> bool {
    one_or_many(policy.get("Statement")).any(|statement| {
        let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        let conditional = statement
            .get("Condition")
            .and_then(Value::as_object)
            .is_some_and(|conditions| !conditions.is_empty());
        allows && !conditional && everybody(statement)
    })
}

fn everybody(statement: &Value) -> bool {
    if statement.get("NotPrincipal").is_some() {
        return true;
    }
    let is_star = |value: &Value| value.as_str() == Some("*");
    statement.get("Principal").is_some_and(|principal| {
        is_star(principal) || one_or_many(principal.get("AWS")).any(is_star)
    })
}

fn one_or_many(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let many = value.and_then(Value::as_array).map(Vec::as_slice);
    let one = value.filter(|value| !value.is_array());
    many.unwrap_or_default().iter().chain(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(attributes: &[(&str, &'static str)]) -> QueueAttributes {
        QueueAttributes::read(|name| {
            attributes.iter().find(|(attribute, _)| *attribute == name).map(|(_, text)| *text)
        })
    }

    const GOOD: [(&str, &str); 4] = [
        ("VisibilityTimeout", "60"),
        ("MessageRetentionPeriod", "1209600"),
        (
            "RedrivePolicy",
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111122223333:dead","maxReceiveCount":"10"}"#,
        ),
        (
            "Policy",
            r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},
            "Action":"sqs:SendMessage","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::audit-logs"}}}]}"#,
        ),
    ];

    fn with(name: &str, text: &'static str) -> Vec<String> {
        let changed = GOOD.map(|(n, t)| if n == name { (n, text) } else { (n, t) });
        attributes(&changed).warnings()
    }

    #[test]
    fn a_recommended_queue_has_no_warnings() {
        assert_eq!(attributes(&GOOD).warnings(), Vec::<String>::new());
        let redrive = attributes(&GOOD).redrive.expect("policy");
        assert_eq!(redrive.max_receive_count, 10);
    }

    #[test]
    fn a_queue_without_redrive_policy_is_warned_about() {
        for text in ["", "{}", "not json"] {
            let [warning] = <[String; 1]>::try_from(with("RedrivePolicy", text)).expect("one");
            assert!(warning.contains("no redrive policy"), "{warning}");
        }
        assert!(QueueAttributes::default().warnings()[0].contains("no redrive policy"));
    }

    #[test]
    fn a_receive_count_that_a_short_outage_exhausts_is_warned_about() {
        let low = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111122223333:dead","maxReceiveCount":9}"#;
        let [warning] = <[String; 1]>::try_from(with("RedrivePolicy", low)).expect("one");
        assert!(warning.contains("maxReceiveCount is 9"), "{warning}");
        assert!(warning.contains("set it to 100"), "{warning}");
    }

    #[test]
    fn a_policy_is_public_only_if_everybody_is_allowed_without_a_condition() {
        for (policy, expected) in [
            (r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:*"}}"#, true),
            (r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"}}]}"#, true),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":["111122223333","*"]}}]}"#,
                true,
            ),
            (r#"{"Statement":[{"Effect":"Allow","Principal":"*","Condition":{}}]}"#, true),
            (r#"{"Statement":[{"Effect":"Allow","NotPrincipal":{"AWS":"1"}}]}"#, true),
            (r#"{"Statement":[{"Effect":"Deny","Principal":"*"}]}"#, false),
            (
                r#"{"Statement":[{"Effect":"Allow","Principal":"*",
                "Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::b"}}}]}"#,
                false,
            ),
            (r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"}}]}"#, false),
        ] {
            assert_eq!(attributes(&[("Policy", policy)]).is_public, expected, "{policy}");
        }
    }

    #[test]
    fn short_times_are_warned_about() {
        assert!(with("VisibilityTimeout", "0")[0].contains("VisibilityTimeout is 0 s"));
        assert!(with("MessageRetentionPeriod", "3600")[0].contains("Period is 1 h"));
    }
}
