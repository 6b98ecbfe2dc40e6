//! What a queue says of itself at start, and what is wrong with that. Pure: SQS's attributes come in
//! as text, so that every judgement can be tested without a queue.

use std::time::Duration;

use serde_json::Value;

/// Below this, a few restarts or one short outage move good messages to the dead-letter queue: nine
/// releases are over in less than an hour.
const FEW_RECEIVES: u64 = 10;

/// So many releases, each up to a quarter of an hour long, take twelve hours or more.
const ENOUGH_RECEIVES: u64 = 100;

/// Below this, other consumers and redriven messages return while they are still worked on.
const SHORT_VISIBILITY: Duration = Duration::from_secs(30);

/// Below this, an outage over a weekend loses messages for good: retention is the true deadline.
const SHORT_RETENTION: Duration = Duration::from_secs(3 * 24 * 3600);

/// A queue's own settings, as far as they bear on us. `None`: not told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueAttributes {
    /// `VisibilityTimeout`, for receives that do not ask for their own.
    pub visibility: Option<Duration>,
    /// `MessageRetentionPeriod`: after this a message is gone, read or not.
    pub retention: Option<Duration>,
    /// `RedrivePolicy`; `None` means that poison circles until retention ends it.
    pub redrive: Option<Redrive>,
    /// Whether `Policy` lets anybody in, without a condition.
    pub open_to_world: bool,
}

/// `RedrivePolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Receives after which SQS moves a message.
    pub max_receive_count: u64,
    /// Where to.
    pub dead_letter_arn: String,
}

impl QueueAttributes {
    /// Reads the attributes by their names in the SQS API; what is missing or unreadable is not told.
    pub fn read<'a>(attribute: impl Fn(&str) -> Option<&'a str>) -> Self {
        let seconds = |name| attribute(name)?.parse().ok().map(Duration::from_secs);
        let json = |name| serde_json::from_str::<Value>(attribute(name)?).ok();
        Self {
            visibility: seconds("VisibilityTimeout"),
            retention: seconds("MessageRetentionPeriod"),
            redrive: json("RedrivePolicy").and_then(|policy| redrive(&policy)),
            open_to_world: json("Policy").is_some_and(|policy| open(&policy)),
        }
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

/// Whether any statement allows everybody something unconditionally. A condition is taken to be a
/// real one: `aws:SourceArn` of the bucket is how S3 is let in.
fn open(policy: &Value) -> bool {
    one_or_many(policy.get("Statement")).any(|statement| {
        let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        let conditional = statement
            .get("Condition")
            .and_then(Value::as_object)
            .is_some_and(|conditions| !conditions.is_empty());
        allows && !conditional && anybody(statement)
    })
}

fn anybody(statement: &Value) -> bool {
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

/// What an operator should hear at start, one sentence each, with what to do.
#[must_use]
pub fn warnings(facts: &QueueAttributes) -> Vec<String> {
    let mut warnings = Vec::new();
    match &facts.redrive {
        None => warnings.push(
            "the queue has no redrive policy: a message that can never be processed returns until \
             its retention ends and is then lost; set RedrivePolicy with a dead-letter queue"
                .to_owned(),
        ),
        Some(redrive) if redrive.max_receive_count < FEW_RECEIVES => warnings.push(format!(
            "the queue's maxReceiveCount is {}: a few restarts or a short outage move good messages \
             to {}; set it to {ENOUGH_RECEIVES}, which outlasts twelve hours",
            redrive.max_receive_count, redrive.dead_letter_arn
        )),
        Some(_) => {}
    }
    if facts.open_to_world {
        warnings.push(
            "the queue's policy lets anybody in without a condition: whoever can send to it can \
             point us at objects of their own; allow only the bucket, topic or rule that feeds it"
                .to_owned(),
        );
    }
    if let Some(visibility) = facts.visibility.filter(|time| *time < SHORT_VISIBILITY) {
        warnings.push(format!(
            "the queue's VisibilityTimeout is {} s: other consumers of it would be sent messages \
             that are still worked on; certrelay asks for its own at each receive",
            visibility.as_secs()
        ));
    }
    if let Some(retention) = facts.retention.filter(|time| *time < SHORT_RETENTION) {
        warnings.push(format!(
            "the queue's MessageRetentionPeriod is {} h: an outage longer than that loses messages \
             for good; set it to 14 days (1209600)",
            retention.as_secs() / 3600
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(attributes: &[(&str, &'static str)]) -> QueueAttributes {
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
        warnings(&facts(&changed))
    }

    #[test]
    fn a_well_kept_queue_gives_no_warning() {
        assert_eq!(warnings(&facts(&GOOD)), Vec::<String>::new());
        let redrive = facts(&GOOD).redrive.expect("policy");
        assert_eq!(redrive.max_receive_count, 10);
    }

    #[test]
    fn a_queue_without_redrive_policy_is_warned_about() {
        for text in ["", "{}", "not json"] {
            let [warning] = <[String; 1]>::try_from(with("RedrivePolicy", text)).expect("one");
            assert!(warning.contains("no redrive policy"), "{warning}");
        }
        assert!(warnings(&QueueAttributes::default())[0].contains("no redrive policy"));
    }

    #[test]
    fn a_receive_count_that_a_short_outage_exhausts_is_warned_about() {
        let low = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111122223333:dead","maxReceiveCount":9}"#;
        let [warning] = <[String; 1]>::try_from(with("RedrivePolicy", low)).expect("one");
        assert!(warning.contains("maxReceiveCount is 9"), "{warning}");
        assert!(warning.contains("set it to 100"), "{warning}");
    }

    #[test]
    fn a_policy_is_open_only_if_anybody_is_allowed_without_a_condition() {
        for (policy, open) in [
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
            assert_eq!(facts(&[("Policy", policy)]).open_to_world, open, "{policy}");
        }
    }

    #[test]
    fn short_times_are_warned_about() {
        assert!(with("VisibilityTimeout", "0")[0].contains("VisibilityTimeout is 0 s"));
        assert!(with("MessageRetentionPeriod", "3600")[0].contains("Period is 1 h"));
    }
}
