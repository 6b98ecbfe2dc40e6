//! Places of a configuration that are not on this machine: named here, fetched by whoever has AWS's clients.

use super::ConfigError;
use super::read::is_bucket;

/// Where a configuration lies, if not in a file or a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elsewhere {
    /// `s3://bucket/key`.
    S3 {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
    },
    /// `ssm:/name`, or `ssm:` and the ARN of a parameter, in Parameter Store.
    Parameter {
        /// As it is asked for.
        name: String,
        /// The region that an ARN names.
        region: Option<String>,
    },
}

impl Elsewhere {
    /// What `place` names; `None`: a file or a variable.
    ///
    /// # Errors
    /// It is a URL, but neither a bucket and a key nor a parameter.
    pub fn of(place: &str) -> Result<Option<Self>, ConfigError> {
        let found = if let Some(rest) = place.strip_prefix("s3://") {
            object(rest).ok_or("write a bucket and a key, `s3://bucket/certrelay.toml`")
        } else if let Some(name) = place.strip_prefix("ssm:") {
            parameter(name)
                .ok_or("write a parameter's name, `ssm:/certrelay/config`, or `ssm:` and its ARN")
        } else if place.contains("://") {
            Err("a configuration is a file, `env:NAME`, `s3://bucket/key` or `ssm:/name`")
        } else {
            return Ok(None);
        };
        found.map(Some).map_err(|advice| ConfigError::unreadable(place, advice.to_owned()))
    }
}

fn object(rest: &str) -> Option<Elsewhere> {
    let (bucket, key) = rest.split_once('/')?;
    let sound = is_bucket(bucket) && !key.is_empty() && !key.ends_with('/');
    sound.then(|| Elsewhere::S3 { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// Source: Systems Manager API, GetParameter, Name; a version or label may follow a colon.
fn parameter(name: &str) -> Option<Elsewhere> {
    let region = if name.starts_with("arn:") {
        let parts: Vec<&str> = name.splitn(6, ':').collect();
        let sound = matches!(parts[..], ["arn", _, "ssm", region, _, resource]
            if !region.is_empty() && resource.starts_with("parameter/"));
        Some(sound.then(|| parts[3].to_owned())?)
    } else {
        None
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-/:".contains(c);
    let sound = name.len() <= 2048 && !name.trim_matches('/').is_empty() && name.chars().all(plain);
    sound.then(|| Elsewhere::Parameter { name: name.to_owned(), region })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_elsewhere_are_told_from_files_and_variables() {
        let object =
            |bucket: &str, key: &str| Elsewhere::S3 { bucket: bucket.into(), key: key.into() };
        let parameter = |name: &str, region: Option<&str>| Elsewhere::Parameter {
            name: name.into(),
            region: region.map(str::to_owned),
        };
        let arn = "arn:aws:ssm:eu-west-1:111122223333:parameter/certrelay";
        for (place, found) in [
            ("s3://configs/prod/certrelay.toml", Some(object("configs", "prod/certrelay.toml"))),
            ("ssm:/certrelay/config", Some(parameter("/certrelay/config", None))),
            ("ssm:certrelay:3", Some(parameter("certrelay:3", None))),
            (&format!("ssm:{arn}"), Some(parameter(arn, Some("eu-west-1")))),
            ("certrelay.toml", None),
            ("env:CONFIG", None),
        ] {
            assert_eq!(Elsewhere::of(place), Ok(found), "{place}");
        }
    }

    #[test]
    fn what_names_no_object_and_no_parameter_is_refused() {
        let arns = ["ssm:arn:aws:s3:::bucket/key", "ssm:arn:aws:ssm::1:parameter/x"];
        for place in [
            "s3://",
            "s3://bucket",
            "s3://bucket/",
            "s3://b/folder/",
            "s3:///key",
            "ssm:",
            "ssm:/",
            "ssm:/a b",
        ]
        .into_iter()
        .chain(arns)
        {
            let said = Elsewhere::of(place).expect_err(place).to_string();
            assert!(said.contains("write a "), "{said}");
        }
        let url = Elsewhere::of("https://example.com/certrelay.toml").expect_err("no URL");
        assert!(url.to_string().contains("a configuration is a file, `env:NAME`"), "{url}");
    }
}
