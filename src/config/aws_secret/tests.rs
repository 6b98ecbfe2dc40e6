use super::*;
use crate::error::Code;

/// Versions that the test sets, and how often each was asked for.
#[derive(Default)]
struct Shelf {
    versions: Mutex<Vec<(Stage, String, Option<Duration>)>>,
    asked: Mutex<Vec<Stage>>,
    down: Mutex<bool>,
}

impl Shelf {
    fn set(&self, versions: &[(Stage, &str, u64)]) {
        let age = |hours| Some(Duration::from_secs(hours * 3600));
        *self.versions.lock().unwrap() = versions
            .iter()
            .map(|(stage, text, hours)| (*stage, (*text).to_owned(), age(*hours)))
            .collect();
    }
}

impl Versions for Shelf {
    fn get<'a>(
        &'a self,
        _: &'a str,
        stage: Stage,
    ) -> BoxFuture<'a, Result<Option<Version>, Error>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(stage);
            if *self.down.lock().unwrap() {
                return Err(Error::new(Code::SecretUnreadable, "down"));
            }
            let versions = self.versions.lock().unwrap();
            let found = versions.iter().find(|(kept, ..)| *kept == stage);
            Ok(found.map(|(_, text, age)| Version { text: text.clone().into(), age: *age }))
        })
    }
}

const REFRESH: Duration = Duration::from_secs(300);

fn secret(key: Option<&str>) -> (AwsSecret, Arc<Shelf>) {
    let shelf = Arc::new(Shelf::default());
    let secret = AwsSecret::new("prod/hec".to_owned(), key.map(str::to_owned), REFRESH);
    secret.connect(shelf.clone());
    (secret, shelf)
}

/// The value after a renewal.
async fn renewed(secret: &AwsSecret) -> String {
    secret.renew().await.unwrap();
    secret.value().unwrap().expose_secret().to_owned()
}

#[tokio::test(start_paused = true)]
async fn it_is_read_once_and_again_when_its_time_has_come() {
    let (secret, shelf) = secret(None);
    assert_eq!(secret.value().unwrap_err().code, Code::SecretUnreadable);
    shelf.set(&[(Stage::Current, "one\n", 0)]);
    assert_eq!(renewed(&secret).await, "one");
    shelf.set(&[(Stage::Current, "two", 0)]);
    tokio::time::advance(REFRESH - Duration::from_secs(1)).await;
    assert_eq!(renewed(&secret).await, "one");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(renewed(&secret).await, "two");
    assert_eq!(shelf.asked.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_it_read_at_once() {
    let (secret, shelf) = secret(None);
    shelf.set(&[(Stage::Current, "one", 0)]);
    assert_eq!(renewed(&secret).await, "one");
    shelf.set(&[(Stage::Current, "two", 0), (Stage::Previous, "one", 9)]);
    secret.refuse();
    assert_eq!(renewed(&secret).await, "two");
    assert_eq!(
        *shelf.asked.lock().unwrap(),
        [Stage::Current; 2],
        "the refused one is not asked for"
    );
}

#[tokio::test(start_paused = true)]
async fn while_the_rotation_is_young_the_previous_version_is_tried() {
    let (secret, shelf) = secret(None);
    shelf.set(&[(Stage::Current, "new", 1), (Stage::Previous, "old", 100)]);
    assert_eq!(renewed(&secret).await, "new");
    secret.refuse();
    assert_eq!(renewed(&secret).await, "old");
    tokio::time::advance(REFRESH).await;
    assert_eq!(renewed(&secret).await, "old", "it works, and the new one was refused");
    // The destination has learned the new one and forgotten the old one.
    secret.refuse();
    assert_eq!(renewed(&secret).await, "new");
    secret.refuse();
    assert_eq!(renewed(&secret).await, "old", "they take turns while both are refused");
}

#[tokio::test(start_paused = true)]
async fn long_after_a_rotation_the_previous_version_is_not_tried() {
    let (secret, shelf) = secret(None);
    shelf.set(&[(Stage::Current, "new", 25), (Stage::Previous, "old", 100)]);
    assert_eq!(renewed(&secret).await, "new");
    secret.refuse();
    assert_eq!(renewed(&secret).await, "new");
    assert_eq!(*shelf.asked.lock().unwrap(), [Stage::Current; 2]);
}

#[tokio::test(start_paused = true)]
async fn without_a_previous_version_the_current_one_is_tried_again() {
    let (secret, shelf) = secret(None);
    shelf.set(&[(Stage::Current, "only", 0)]);
    assert_eq!(renewed(&secret).await, "only");
    for _ in 0..3 {
        secret.refuse();
        assert_eq!(renewed(&secret).await, "only");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_keeps_the_value_and_is_told() {
    let (secret, shelf) = secret(None);
    shelf.set(&[(Stage::Current, "one", 0)]);
    assert_eq!(renewed(&secret).await, "one");
    *shelf.down.lock().unwrap() = true;
    tokio::time::advance(REFRESH).await;
    assert!(secret.renew().await.is_err());
    assert_eq!(secret.value().unwrap().expose_secret(), "one");
    secret.refuse();
    assert!(secret.renew().await.is_err());
    *shelf.down.lock().unwrap() = false;
    shelf.set(&[(Stage::Current, "two", 0)]);
    assert_eq!(renewed(&secret).await, "two", "a refusal is not forgotten in an outage");
}

#[tokio::test]
async fn a_key_names_a_member_and_faults_never_quote_the_secret() {
    for (key, text, value) in [
        (Some("token"), r#"{"token":"t","x":1}"#, Some("t")),
        (Some("x"), r#"{"token":"canary","x":1}"#, None),
        (Some("tokn"), r#"{"token":"canary"}"#, None),
        (Some("token"), "canary", None),
        (None, r#"{"token":"canary"}"#, None),
        (None, "", None),
        (None, "plain", Some("plain")),
    ] {
        let (secret, shelf) = secret(key);
        shelf.set(&[(Stage::Current, text, 0)]);
        match value {
            Some(value) => assert_eq!(renewed(&secret).await, value),
            None => {
                let error = secret.renew().await.unwrap_err();
                assert!(
                    error.text.contains("prod/hec") && !error.text.contains("canary"),
                    "{error}"
                );
            }
        }
        assert!(!format!("{secret:?}").contains("canary"));
    }
}

#[test]
fn the_region_is_the_arn_s() {
    let region =
        |id: &str| AwsSecret::new(id.to_owned(), None, REFRESH).region().map(str::to_owned);
    let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/hec-AbCdEf";
    assert_eq!(region(arn).as_deref(), Some("eu-west-1"));
    assert_eq!(region("prod/hec"), None);
}
