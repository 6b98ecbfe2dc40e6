//! Fetches a configuration from S3 with the process's own credentials, before anything of it is
//! known: of AWS's settings only those of the environment apply. Also reads and lists other small
//! files and objects.

use aws_config::Region;
use futures_util::StreamExt as _;
use time::OffsetDateTime;

use crate::app::aws;
use crate::app::build::DEFAULT_REGION;
use crate::config::{self, Config, ConfigError, ConfigLocation, MAX_BYTES};
use crate::error::{Code, Error};
use crate::sink;
use crate::store::{FileStore, ListRequest, Location, ObjectRef, S3Store, Store};

/// Returns the checked configuration at `name`, as the command line spells its location.
///
/// # Errors
/// It cannot be fetched (with AWS's code and request id), or it has errors, relative paths
/// included.
pub(crate) async fn fetch_config(
    name: &str,
    location: ConfigLocation,
) -> Result<Config, ConfigError> {
    let text = fetch(location).await;
    let text = text.map_err(|error| ConfigError::unreadable(name, error.text))?;
    config::parse_fetched(name, &text, sink::kafka_option)
}

async fn fetch(location: ConfigLocation) -> Result<String, Error> {
    let ConfigLocation::S3 { bucket, key } = location;
    let mut aws = aws::load(None).await?;
    let mut advice = "";
    if aws.region().is_none() {
        // Any region of the partition does: S3 redirects to the bucket's own.
        advice = "; no region is set: in GovCloud, China and other partitions set AWS_REGION";
        aws = aws.into_builder().region(Region::from_static(DEFAULT_REGION)).build();
    }
    let location = Location::S3 { bucket, key, version: None };
    let max_bytes = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
    let read = read_text(Some(&S3Store::new(&aws, None)), location, max_bytes).await;
    read.map(|(text, _)| text)
        .map_err(|text| Error::new(Code::ConfigurationUnreadable, format!("{text}{advice}")))
}

/// Returns the text of a file or an object, of at most `max_bytes`, and when it was written.
///
/// # Errors
/// A sentence with the location: it cannot be read, is longer, or is not UTF-8.
pub(crate) async fn read_text(
    s3: Option<&S3Store>,
    location: Location,
    max_bytes: usize,
) -> Result<(String, Option<OffsetDateTime>), String> {
    let name = location.to_string();
    let store: &dyn Store = match (&location, s3) {
        (Location::File(_), _) => &FileStore,
        (Location::S3 { .. }, Some(s3)) => s3,
        (Location::S3 { .. }, None) => return Err(format!("{name}: S3 is not configured")),
    };
    let object = ObjectRef { location, region: None, size: None, etag: None };
    let mut body = store.open(&object, None).await.map_err(|error| error.text)?;
    let written = body.last_modified.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| error.text)?);
        if bytes.len() > max_bytes {
            return Err(format!("{name} is longer than {} MiB", max_bytes >> 20));
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))?;
    Ok((text, written))
}

/// Lists the keys below `prefix` that match, page by page until there are more than `max`.
///
/// # Errors
/// A sentence with the bucket: it cannot be listed.
pub(crate) async fn list_keys(
    s3: &S3Store,
    bucket: &str,
    prefix: &str,
    matches: fn(&str) -> bool,
    max: usize,
) -> Result<Vec<String>, String> {
    let (mut keys, mut page) = (Vec::new(), None::<String>);
    loop {
        let ask = ListRequest { prefix, page: page.as_deref(), ..ListRequest::default() };
        let listing = s3.list(bucket, ask).await.map_err(|error| error.text)?;
        let listed = listing.objects.into_iter().map(|object| object.key);
        keys.extend(listed.filter(|key| matches(key)));
        page = listing.next;
        if page.is_none() || keys.len() > max {
            return Ok(keys);
        }
    }
}
