//! The objects of a plan, in the order of their keys, page by page.

use time::macros::format_description;
use time::{Date, PrimitiveDateTime, UtcOffset};

use super::plan::{Plan, Span, Trail};
use crate::error::{Code, Error};
use crate::store::{ListRequest, Listed, S3Store};

/// Calls `each` for every object in range whose key comes after `after`; answers the LIST calls made.
///
/// # Errors
/// The bucket cannot be listed, or `each` says so.
pub(super) async fn walk(
    store: &S3Store,
    plan: &Plan,
    after: Option<String>,
    mut each: impl AsyncFnMut(Listed) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut calls = 0;
    for trail in &plan.trails {
        let Some(start) = start(trail, &plan.span, after.as_deref()) else { continue };
        let mut page = None::<String>;
        'pages: loop {
            let ask = ListRequest {
                prefix: &trail.prefix,
                after: Some(&start),
                page: page.as_deref(),
                folders: false,
            };
            let listing = store.list(&plan.span.bucket, ask).await;
            let listing = listing.map_err(|cause| Error::new(Code::ListFailed, cause.text))?;
            calls += 1;
            for listed in listing.objects {
                match place(&listed.key[trail.root.len()..], &plan.span) {
                    Place::Within => each(listed).await?,
                    Place::Outside => {}
                    Place::Past => break 'pages,
                }
            }
            page = listing.next;
            if page.is_none() {
                break;
            }
        }
    }
    Ok(calls)
}

/// Where a trail's listing starts; `None` if all of it lies before `after`.
fn start(trail: &Trail, span: &Span, after: Option<&str>) -> Option<String> {
    let day = folder(span.since.to_offset(UtcOffset::UTC).date());
    let first = format!("{}{day}/", trail.root);
    match after {
        Some(after) if after.starts_with(&trail.prefix) => Some(first.max(after.to_owned())),
        Some(after) if after > trail.prefix.as_str() => None,
        _ => Some(first),
    }
}

fn folder(day: Date) -> String {
    format!("{:04}/{:02}/{:02}", day.year(), u8::from(day.month()), day.day())
}

/// Where a key stands to the range.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Within,
    Outside,
    /// And so do all that follow.
    Past,
}

/// `below` is `YYYY/MM/DD/file`. The time in a file's name decides; without one, its day does.
fn place(below: &str, span: &Span) -> Place {
    let (since, until) =
        (span.since.to_offset(UtcOffset::UTC), span.until.to_offset(UtcOffset::UTC));
    let day = below.get(..10).unwrap_or(below);
    if day > folder(until.date()).as_str() {
        return Place::Past;
    }
    if below.ends_with('/') {
        return Place::Outside;
    }
    let named = below.rsplit('/').next().unwrap_or(below).split('_').find_map(|part| {
        let layout = format_description!("[year][month][day]T[hour][minute]Z");
        PrimitiveDateTime::parse(part, layout).ok()
    });
    let within = match named {
        Some(time) => (since..until).contains(&time.assume_utc()),
        None => day >= folder(since.date()).as_str(),
    };
    if within { Place::Within } else { Place::Outside }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn span() -> Span {
        Span {
            bucket: "audit-logs".into(),
            prefix: String::new(),
            since: datetime!(2026-03-01 06:00 UTC),
            until: datetime!(2026-03-02 12:00 UTC),
            accounts: Vec::new(),
            regions: Vec::new(),
        }
    }

    #[test]
    fn the_time_in_a_file_s_name_decides() {
        let file = |time: &str| {
            let day = format!("{}/{}/{}", &time[..4], &time[4..6], &time[6..8]);
            place(&format!("{day}/111122223333_CloudTrail_us-east-1_{time}_x.json.gz"), &span())
        };
        assert_eq!(file("20260301T0559Z"), Place::Outside);
        assert_eq!(file("20260301T0600Z"), Place::Within);
        assert_eq!(file("20260302T1159Z"), Place::Within);
        assert_eq!(file("20260302T1200Z"), Place::Outside);
        assert_eq!(file("20260303T0000Z"), Place::Past);
        assert_eq!(place("2026/03/01/copy.json.gz", &span()), Place::Within);
        assert_eq!(place("2026/03/01/", &span()), Place::Outside);
    }

    #[test]
    fn a_run_goes_on_where_the_last_one_was() {
        let root = "AWSLogs/111122223333/CloudTrail/us-east-1/".to_owned();
        let trail = Trail { prefix: root.clone(), root: root.clone() };
        let from = |after: Option<&str>| start(&trail, &span(), after);
        let first = format!("{root}2026/03/01/");
        assert_eq!(from(None), Some(first.clone()));
        assert_eq!(from(Some("AWSLogs/000000000000/z")), Some(first.clone()));
        let later = format!("{root}2026/03/02/x");
        assert_eq!(from(Some(&later)), Some(later));
        assert_eq!(from(Some("AWSLogs/222222222222/a")), None);
    }
}
