//! A password that AWS keeps, and a try that is refused.

use std::sync::Mutex;

use futures_util::future::BoxFuture;

use super::*;
use crate::config::{AwsSecret, Secret, Stage, Version, Versions};
use crate::sink::{self, Wanted};

/// Gives each version one value; which were asked for.
#[derive(Default)]
struct Shelf(Mutex<Vec<Stage>>);

impl Versions for Shelf {
    fn get<'a>(
        &'a self,
        _: &'a str,
        stage: Stage,
    ) -> BoxFuture<'a, Result<Option<Version>, Error>> {
        self.0.lock().unwrap().push(stage);
        let text = if stage == Stage::Current { "new" } else { "old" };
        Box::pin(async move { Ok(Some(Version { text: text.into(), age: None })) })
    }
}

/// A login with a password of which the shelf has two versions.
fn login(cluster: &Cluster) -> (KafkaConfig, Arc<Shelf>) {
    let shelf = Arc::new(Shelf::default());
    let secret = Arc::new(AwsSecret::new("prod/kafka".to_owned(), None, HOUR));
    secret.connect(shelf.clone());
    let (mechanism, username) = ("PLAIN", "relay".to_owned());
    let auth = KafkaAuth::Sasl { mechanism, username, password: Secret::Aws(secret) };
    let timeout = Duration::from_millis(500);
    (KafkaConfig { auth, timeout, ..settings(cluster) }, shelf)
}

#[tokio::test]
async fn a_try_that_failed_has_the_password_asked_of_aws_again() {
    let cluster = cluster();
    let (own, shelf) = login(&cluster);
    let sink = config("lake", SinkKind::Kafka(own));
    for _ in 0..2 {
        let found = sink::probe(&sink, None, Wanted::Any).await;
        assert!(found.is_err(), "the mock cluster knows no login");
    }
    assert_eq!(*shelf.0.lock().unwrap(), [Stage::Current, Stage::Current]);
}

#[tokio::test]
async fn a_password_that_was_refused_has_the_one_before_it_asked_for() {
    let (own, shelf) = login(&cluster());
    let password = own.auth.password().unwrap();
    password.renew().await.unwrap();
    super::super::secrets::refuse(&own, RDKafkaErrorCode::SaslAuthenticationFailed);
    password.renew().await.unwrap();
    assert_eq!(*shelf.0.lock().unwrap(), [Stage::Current, Stage::Current, Stage::Previous]);
}
