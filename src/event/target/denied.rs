//! The target of a denied call. Its parameters are null; only the message names the resource, as
//! `… on resource: user bob because …` or `… on resource: arn:aws:iam::…:server-certificate/x …`.

/// The resource that a message names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// A server certificate.
    ServerCertificate {
        arn: Option<String>,
        path: Option<String>,
        name: String,
        account: Option<String>,
    },
    /// A user.
    User { arn: Option<String>, name: String, account: Option<String> },
}

/// The ARN that an `AccessDenied` message names, of whatever service.
pub(super) fn arn(message: &str) -> Option<&str> {
    named_in(message)?.split_whitespace().next().filter(|text| text.starts_with("arn:"))
}

fn named_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(" on resource: ")?;
    let rest = rest.split(" because ").next()?.split(" with an explicit deny").next()?;
    Some(rest.trim().trim_end_matches('.'))
}

/// Reads the resource out of an `AccessDenied` message.
pub(super) fn resource(message: &str) -> Option<Resource> {
    let rest = named_in(message)?;
    if rest.starts_with("arn:") {
        return by_arn(rest.split_whitespace().next()?);
    }
    if let Some(name) = rest.strip_prefix("user ") {
        return named(name).map(|name| Resource::User { arn: None, name, account: None });
    }
    let name = rest.strip_prefix("server certificate ")?;
    named(name).map(|name| Resource::ServerCertificate {
        arn: None,
        path: None,
        name,
        account: None,
    })
}

/// A name, unless it stands for all or none.
fn named(name: &str) -> Option<String> {
    let name = name.trim();
    (!name.is_empty() && !name.contains('*')).then(|| name.to_owned())
}

fn by_arn(arn: &str) -> Option<Resource> {
    let mut parts = arn.splitn(6, ':').skip(4);
    let account = parts.next().filter(|account| !account.is_empty()).map(str::to_owned);
    let (kind, rest) = parts.next()?.split_once('/')?;
    let (path, name) = rest
        .rsplit_once('/')
        .map_or(("/".to_owned(), rest), |(path, name)| (format!("/{path}/"), name));
    let name = named(name)?;
    let arn = Some(arn.to_owned());
    match kind {
        "server-certificate" => {
            Some(Resource::ServerCertificate { arn, path: Some(path), name, account })
        }
        "user" => Some(Resource::User { arn, name, account }),
        _ => None,
    }
}
