//! Faults of reads: errors, broken bodies, latency. All seeded.

use std::time::Duration;

use s3s::{S3Error, s3_error};

/// A fault of `GetObject` or `HeadObject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 404 `NoSuchKey`.
    NoSuchKey,
    /// 403 `AccessDenied`; also the response to a missing key without `s3:ListBucket`.
    AccessDenied,
    /// 403 `AccessDenied` with the text of a denial by KMS.
    KmsDenied,
    /// 503 `SlowDown`.
    SlowDown,
    /// 500 `InternalError`.
    InternalError,
    /// 403 `InvalidObjectState`: archived.
    InvalidObjectState,
    /// The body announces its full length and breaks off after this many bytes.
    CutAfter(usize),
    /// The response is sent after this time.
    Delayed(Duration),
}

impl Fault {
    /// Returns the error response of this fault, if it has one.
    pub fn error(self) -> Option<S3Error> {
        let kms = "User is not authorized to perform: kms:Decrypt on the resource associated with \
                   this ciphertext because the resource does not exist in this Region, no \
                   resource-based policies allow access, or a resource-based policy explicitly \
                   denies access";
        Some(match self {
            Self::NoSuchKey => s3_error!(NoSuchKey, "The specified key does not exist."),
            Self::AccessDenied => s3_error!(AccessDenied, "Access Denied"),
            Self::KmsDenied => s3_error!(AccessDenied, "{kms}"),
            Self::SlowDown => s3_error!(SlowDown, "Please reduce your request rate."),
            Self::InternalError => {
                s3_error!(InternalError, "We encountered an internal error. Please try again.")
            }
            Self::InvalidObjectState => s3_error!(
                InvalidObjectState,
                "The operation is not valid for the object's storage class"
            ),
            Self::CutAfter(_) | Self::Delayed(_) => return None,
        })
    }
}

/// Faults of the next reads.
#[derive(Debug, Default)]
pub struct ScriptedFaults(Vec<(String, Fault, u32)>);

impl ScriptedFaults {
    pub fn add(&mut self, prefix: &str, fault: Fault, times: u32) {
        self.0.push((prefix.to_owned(), fault, times));
    }

    /// Takes the first fault for `key`.
    pub fn take(&mut self, key: &str) -> Option<Fault> {
        let index = self.0.iter().position(|(prefix, _, _)| key.starts_with(prefix))?;
        let (_, fault, times) = &mut self.0[index];
        let fault = *fault;
        *times = times.saturating_sub(1);
        if *times == 0 {
            self.0.remove(index);
        }
        Some(fault)
    }
}

/// Log-normal latency, the shape of S3's: most reads are fast, a few very slow.
#[derive(Debug, Clone)]
pub struct Latency {
    median: Duration,
    spread: f64,
    rng: fastrand::Rng,
}

impl Latency {
    /// Creates a latency whose median is `p50` and whose 99th percentile is `p99`.
    pub fn new(p50: Duration, p99: Duration, seed: u64) -> Self {
        /// The 99th percentile of the standard normal distribution.
        const Z99: f64 = 2.326_347_9;
        let spread = (p99.as_secs_f64() / p50.as_secs_f64()).ln() / Z99;
        Self { median: p50, spread, rng: fastrand::Rng::with_seed(seed) }
    }

    /// Draws the latency of the next read.
    pub fn draw(&mut self) -> Duration {
        // Box and Muller's transform of two uniform numbers, the first never zero.
        let radius = (-2.0 * (1.0 - self.rng.f64()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.rng.f64()).cos();
        self.median.mul_f64((normal * self.spread).exp())
    }
}
