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
}

impl Elsewhere {
    /// What `place` names; `None`: a file or a variable.
    ///
    /// # Errors
    /// It is a URL, but no bucket and key.
    pub fn of(place: &str) -> Result<Option<Self>, ConfigError> {
        let found = if let Some(rest) = place.strip_prefix("s3://") {
            object(rest).ok_or("write a bucket and a key, `s3://bucket/certrelay.toml`")
        } else if place.contains("://") {
            Err("a configuration is a file, `env:NAME` or `s3://bucket/key`")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_elsewhere_are_told_from_files_and_variables() {
        let object =
            |bucket: &str, key: &str| Elsewhere::S3 { bucket: bucket.into(), key: key.into() };
        for (place, found) in [
            ("s3://configs/prod/certrelay.toml", Some(object("configs", "prod/certrelay.toml"))),
            ("certrelay.toml", None),
            ("env:CONFIG", None),
        ] {
            assert_eq!(Elsewhere::of(place), Ok(found), "{place}");
        }
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for place in ["s3://", "s3://bucket", "s3://bucket/", "s3://b/folder/", "s3:///key"] {
            let said = Elsewhere::of(place).expect_err(place).to_string();
            assert!(said.contains("write a "), "{said}");
        }
        let url = Elsewhere::of("https://example.com/certrelay.toml").expect_err("no URL");
        assert!(url.to_string().contains("a configuration is a file, `env:NAME`"), "{url}");
    }
}
