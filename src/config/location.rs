//! Locations of a configuration that are not on this machine: parsed here, fetched by `app`.

use super::diagnostic::ConfigError;
use super::source::s3_url;

/// The location of a configuration that is neither a file nor a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigLocation {
    /// `s3://bucket/key`.
    S3 {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
    },
}

impl ConfigLocation {
    /// Returns the location that `text` names; `None`: a file or a variable.
    ///
    /// # Errors
    /// It is a URL without bucket and key.
    pub fn parse(text: &str) -> Result<Option<Self>, ConfigError> {
        let advice = if text.starts_with("s3://") {
            match s3_url(text).filter(|(_, key)| !key.is_empty() && !key.ends_with('/')) {
                Some((bucket, key)) => return Ok(Some(Self::S3 { bucket, key })),
                None => "write a bucket and a key, `s3://bucket/certrelay.toml`",
            }
        } else if text.contains("://") {
            "a configuration is a file, `env:NAME` or `s3://bucket/key`"
        } else {
            return Ok(None);
        };
        Err(ConfigError::unreadable(text, advice.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_told_from_files_and_variables() {
        let object =
            |bucket: &str, key: &str| ConfigLocation::S3 { bucket: bucket.into(), key: key.into() };
        for (text, found) in [
            ("s3://configs/prod/certrelay.toml", Some(object("configs", "prod/certrelay.toml"))),
            ("certrelay.toml", None),
            ("env:CONFIG", None),
        ] {
            assert_eq!(ConfigLocation::parse(text), Ok(found), "{text}");
        }
    }

    #[test]
    fn a_url_without_bucket_and_key_is_an_error() {
        for text in ["s3://", "s3://bucket", "s3://bucket/", "s3://b/folder/", "s3:///key"] {
            let error = ConfigLocation::parse(text).expect_err(text).to_string();
            assert!(error.contains("write a "), "{error}");
        }
        let url = ConfigLocation::parse("https://example.com/certrelay.toml").expect_err("no URL");
        assert!(url.to_string().contains("a configuration is a file, `env:NAME`"), "{url}");
    }
}
