//! A configuration in S3, fetched with the process's own rights before anything else is known: of AWS's settings only
//! those of the environment count.

use aws_config::Region;

use crate::app::aws::load;
use crate::app::build::ANY_REGION;
use crate::app::text;
use crate::config::{self, Config, ConfigError, ConfigLocation, MAX_BYTES};
use crate::error::{Code, Error};
use crate::sink;
use crate::store::{Location, S3Store};

/// The checked configuration at `place`, which is what a command line was given.
///
/// # Errors
/// It cannot be fetched, with AWS's code and request id; or it has mistakes, relative paths included.
pub async fn configuration(place: &str, elsewhere: ConfigLocation) -> Result<Config, ConfigError> {
    let fetched = fetch(elsewhere).await;
    let text = fetched.map_err(|error| ConfigError::unreadable(place, error.text))?;
    config::parse_fetched(place, &text, sink::kafka_option)
}

async fn fetch(place: ConfigLocation) -> Result<String, Error> {
    match place {
        ConfigLocation::S3 { bucket, key } => {
            let aws = load(None).await?;
            let aws = match aws.region() {
                Some(_) => aws,
                // S3 says where the bucket is.
                None => aws.into_builder().region(Region::from_static(ANY_REGION)).build(),
            };
            let location = Location::S3 { bucket, key, version: None };
            let most = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
            let read = text::read(&S3Store::new(&aws, None), location, most).await;
            read.map(|(text, _)| text)
                .map_err(|text| Error::new(Code::ConfigurationUnreadable, text))
        }
    }
}
