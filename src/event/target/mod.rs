//! What a call acts on: the certificate and the user, for success and failure alike.
//!
//! IAM's records have no `resources`, a denied call has no parameters, and a missing user means the
//! caller; so the target is derived here. What was inferred and not read is marked.

#[cfg(test)]
mod tests;

use time::OffsetDateTime;

use super::call::Call;
use super::caller::user_name;
use super::date;
use super::json::Node;

/// `eventSource` of CloudTrail itself.
const TRAIL_EVENT_SOURCE: &str = crate::config::AUDIT_TRAIL.1;

/// What the call acts on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// A server certificate.
    pub(crate) server_certificate: Option<ServerCertificate>,
    /// A signing certificate of `user`.
    pub(crate) signing_certificate: Option<SigningCertificate>,
    /// Whose signing certificate it is.
    pub(crate) user: Option<User>,
    /// A trail of CloudTrail.
    pub(crate) trail: Option<Trail>,
    /// The target was parsed out of `errorMessage`: a hint, not a fact.
    pub(crate) from_message: bool,
    /// Account that the target belongs to.
    pub(crate) account: Option<String>,
    /// `aws`, `aws-us-gov`, `aws-cn`, `aws-iso`…
    pub(crate) partition: String,
}

/// A server certificate, as far as the record states it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerCertificate {
    /// `serverCertificateName`.
    pub(crate) name: String,
    /// Path, where the record states it.
    pub(crate) path: Option<String>,
    /// `serverCertificateId`, which survives a rename.
    pub(crate) id: Option<String>,
    /// ARN: as stated, or built. Without a stated path it is built on `/`, which may be wrong.
    pub(crate) arn: Option<String>,
    /// The name and path that a rename or move gives it, or would have given it.
    pub(crate) renamed: Option<Renamed>,
    /// `tags` added, or keys removed.
    pub(crate) tags: Vec<(String, Option<String>)>,
    /// `uploadDate`.
    pub(crate) uploaded: Option<OffsetDateTime>,
    /// `expiration`, as IAM read it from the certificate.
    pub(crate) expires: Option<OffsetDateTime>,
    /// What uses it, by the message of a refused deletion, which also states `id`: an ARN of a load
    /// balancer, or a service such as `CloudFront`.
    pub(crate) in_use_by: Option<String>,
}

/// The name, path and ARN that an `UpdateServerCertificate` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Renamed {
    /// New name; the old one, if only the path changes.
    pub(crate) name: String,
    /// New path, if it changes.
    pub(crate) path: Option<String>,
    /// New ARN, as uncertain as the old one.
    pub(crate) arn: Option<String>,
}

/// A signing certificate, as far as the record states it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SigningCertificate {
    /// `certificateId`; an upload that failed has none.
    pub(crate) id: Option<String>,
    /// `Active`, `Inactive`, `Expired`.
    pub(crate) status: Option<String>,
    /// `uploadDate`.
    pub(crate) uploaded: Option<OffsetDateTime>,
}

/// A user of IAM, or root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct User {
    /// `userName`; `root` for root.
    pub(crate) name: String,
    /// ARN: the caller's own, or built on the path `/`.
    pub(crate) arn: Option<String>,
    /// The caller acts on itself.
    pub(crate) is_caller: bool,
    /// The account's root.
    pub(crate) is_root: bool,
}

/// A trail of CloudTrail, named by its name or its ARN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trail {
    /// Its name.
    pub(crate) name: String,
    /// ARN: as stated, or built; only a trail's home region accepts calls by name.
    pub(crate) arn: Option<String>,
}

impl Trail {
    /// Returns the trail that the record of `call` names.
    fn of(root: &Node<'_>, partition: &str, call: Call<'_>) -> Option<Self> {
        let request = |name: &str| root.text(&format!("requestParameters.{name}"));
        let stated = root.text("responseElements.trailARN");
        let named = request("name").or_else(|| request("trailName")).or(stated)?;
        if let Some(trail) = Self::by_arn(named) {
            return Some(trail);
        }
        let built = call.region.zip(call.account).map(|(region, account)| {
            format!("arn:{partition}:cloudtrail:{region}:{account}:trail/{named}")
        });
        Some(Self { name: named.to_owned(), arn: stated.map(str::to_owned).or(built) })
    }

    /// Returns the trail of an ARN.
    fn by_arn(arn: &str) -> Option<Self> {
        let resource = arn.strip_prefix("arn:")?.splitn(5, ':').nth(4)?;
        let name = resource.strip_prefix("trail/")?;
        let is_one = !name.is_empty() && !name.contains('*');
        is_one.then(|| Self { name: name.to_owned(), arn: Some(arn.to_owned()) })
    }
}

impl Target {
    /// Returns the target of a record.
    pub(crate) fn of(root: &Node<'_>, call: Call<'_>) -> Self {
        let mut target = Self {
            account: call.account.map(str::to_owned),
            partition: partition(call).to_owned(),
            ..Self::default()
        };
        if call.source == TRAIL_EVENT_SOURCE {
            target.read_trail(root, call);
            return target;
        }
        if !call.is_of_iam() {
            return target;
        }
        if call.name.contains("ServerCertificate") {
            target.read_server_certificate(root);
        } else if call.name.contains("SigningCertificate") {
            target.read_signing_certificate(root, call);
        }
        let message = root.text("errorMessage").unwrap_or_default();
        if target.is_unknown() && !call.succeeded() {
            target.read_message(message);
        }
        if let Some((certificate, (id, user))) =
            target.server_certificate.as_mut().zip(conflict(message))
        {
            certificate.id.get_or_insert_with(|| id.to_owned());
            certificate.in_use_by = Some(user.to_owned());
        }
        target.complete_user(root);
        target
    }

    /// The trail, from the parameters or from the message of a denied call.
    fn read_trail(&mut self, root: &Node<'_>, call: Call<'_>) {
        self.trail = Trail::of(root, &self.partition, call);
        if self.trail.is_none() && !call.succeeded() {
            let message = root.text("errorMessage").unwrap_or_default();
            self.trail = denied_arn(message).and_then(Trail::by_arn);
            self.from_message = self.trail.is_some();
        }
        // An organisation's trail belongs to the management account.
        let arn = self.trail.as_ref().and_then(|trail| trail.arn.as_deref());
        let owner = arn.and_then(|arn| arn.split(':').nth(4)).filter(|owner| !owner.is_empty());
        self.account = owner.map(str::to_owned).or(self.account.take());
    }

    fn is_unknown(&self) -> bool {
        self.server_certificate.is_none() && self.user.is_none()
    }

    fn read_server_certificate(&mut self, root: &Node<'_>) {
        let request = |name: &str| root.text(&format!("requestParameters.{name}"));
        let stated = |name: &str| {
            root.text(&format!("responseElements.serverCertificateMetadata.{name}"))
                .map(str::to_owned)
        };
        let Some(name) = stated("serverCertificateName")
            .or_else(|| request("serverCertificateName").map(str::to_owned))
        else {
            return;
        };
        let path = stated("path").or_else(|| request("path").map(str::to_owned));
        let arn = stated("arn").or_else(|| self.certificate_arn(path.as_deref(), &name));
        let (new_name, new_path) = (request("newServerCertificateName"), request("newPath"));
        let renamed = (new_name.is_some() || new_path.is_some()).then(|| {
            let new_name = new_name.unwrap_or(&name);
            let arn = self.certificate_arn(new_path.or(path.as_deref()), new_name);
            Renamed { name: new_name.to_owned(), path: new_path.map(str::to_owned), arn }
        });
        let tags = tags(root);
        self.server_certificate = Some(ServerCertificate {
            id: stated("serverCertificateId"),
            uploaded: stated("uploadDate").as_deref().and_then(date::parse),
            expires: stated("expiration").as_deref().and_then(date::parse),
            name,
            path,
            arn,
            renamed,
            tags,
            in_use_by: None,
        });
    }

    fn read_signing_certificate(&mut self, root: &Node<'_>, call: Call<'_>) {
        let response = |name: &str| root.text(&format!("responseElements.certificate.{name}"));
        let stated = |name: &str| {
            response(name)
                .or_else(|| root.text(&format!("requestParameters.{name}")))
                .map(str::to_owned)
        };
        let certificate = SigningCertificate {
            id: stated("certificateId"),
            status: stated("status"),
            uploaded: stated("uploadDate").as_deref().and_then(date::parse),
        };
        if call.name != "ListSigningCertificates" {
            self.signing_certificate = Some(certificate);
        }
        let named = |name: &str| User { name: name.to_owned(), ..User::default() };
        let own = means_caller(root, call).then(|| caller(root)).flatten();
        self.user =
            requested_user(root).map(named).or(own).or_else(|| response("userName").map(named));
    }

    fn read_message(&mut self, message: &str) {
        let Some(Resource { is_user, arn, path, name, account }) = denied_resource(message) else {
            return;
        };
        self.account = account.or(self.account.take());
        if is_user {
            self.user = Some(User { name, arn, ..User::default() });
        } else {
            let arn = arn.or_else(|| self.certificate_arn(path.as_deref(), &name));
            let certificate = ServerCertificate { name, path, arn, ..ServerCertificate::default() };
            self.server_certificate = Some(certificate);
        }
        self.from_message = true;
    }

    /// Replaces the user by the caller if they are the same, else builds the user's ARN.
    fn complete_user(&mut self, root: &Node<'_>) {
        let Some(user) = &mut self.user else { return };
        // A requested name is an IAM user's: root has none, and a user may be called `root`.
        let may_be_root = requested_user(root).is_none();
        let same_account = root
            .text("userIdentity.accountId")
            .is_none_or(|own| self.account.as_deref().is_none_or(|account| account == own));
        let is_own =
            |own: &User| own.name == user.name && same_account && (may_be_root || !own.is_root);
        if let Some(own) = caller(root).filter(is_own) {
            *user = own;
        } else if user.arn.is_none() {
            user.arn = self
                .account
                .as_deref()
                .map(|account| format!("arn:{}:iam::{account}:user/{}", self.partition, user.name));
        }
    }

    fn certificate_arn(&self, path: Option<&str>, name: &str) -> Option<String> {
        let account = self.account.as_deref()?;
        let path = path.unwrap_or("/");
        Some(format!("arn:{}:iam::{account}:server-certificate{path}{name}", self.partition))
    }

    /// Returns the ARN of the certificate, else of the user, else of the trail.
    pub(crate) fn arn(&self) -> Option<String> {
        if let Some(trail) = &self.trail {
            return trail.arn.clone();
        }
        let certificate =
            self.server_certificate.as_ref().and_then(|certificate| certificate.arn.clone());
        certificate.or_else(|| self.user.as_ref()?.arn.clone())
    }

    /// Returns what it is called in a sentence.
    pub(crate) fn phrase(&self) -> Option<String> {
        if let Some(certificate) = &self.server_certificate {
            return Some(format!("server certificate {}", certificate.name));
        }
        if let Some(trail) = &self.trail {
            return Some(format!("trail {}", trail.name));
        }
        let user = self.user.as_ref().map(|user| match user.is_root {
            true => "root".to_owned(),
            false => format!("user {}", user.name),
        });
        match (self.signing_certificate.as_ref().and_then(|c| c.id.as_ref()), user) {
            (Some(id), Some(user)) => Some(format!("signing certificate {id} of {user}")),
            (Some(id), None) => Some(format!("signing certificate {id}")),
            (None, Some(user)) if self.signing_certificate.is_some() => {
                Some(format!("a signing certificate of {user}"))
            }
            (None, user) => user,
        }
    }
}

/// Returns the user that the request names. Source: IAM API Reference, `UploadSigningCertificate`
/// and similar: `UserName` names an IAM user; without it the caller is meant, which is the only way
/// to root's own certificates.
fn requested_user<'n>(root: &'n Node<'_>) -> Option<&'n str> {
    root.text("requestParameters.userName")
}

/// Returns whether a missing `userName` means the caller: the parameters are there and do not name
/// one. If CloudTrail omitted the parameters (denied, too long), nothing is known.
fn means_caller(root: &Node<'_>, call: Call<'_>) -> bool {
    match root.at("requestParameters") {
        Some(parameters) if !parameters.members().is_empty() => {
            parameters.flag("omitted") != Some(true)
        }
        _ => call.name == "ListSigningCertificates" && call.succeeded(),
    }
}

/// Returns the caller, if it can have signing certificates: a user or root, never a role.
fn caller(root: &Node<'_>) -> Option<User> {
    let identity = root.at("userIdentity")?;
    let arn = identity.text("arn").map(str::to_owned);
    match identity.text("type")? {
        "Root" => Some(User { name: "root".to_owned(), arn, is_caller: true, is_root: true }),
        "IAMUser" => {
            let name = user_name(identity)?.to_owned();
            Some(User { name, arn, is_caller: true, is_root: false })
        }
        _ => None,
    }
}

fn tags(root: &Node<'_>) -> Vec<(String, Option<String>)> {
    let Some(parameters) = root.at("requestParameters") else { return Vec::new() };
    let added = parameters.get("tags").map(Node::items).unwrap_or_default();
    let removed = parameters.get("tagKeys").map(Node::items).unwrap_or_default();
    let added = added.iter().filter_map(|tag| {
        Some((tag.text("key")?.to_owned(), Some(tag.text("value").unwrap_or_default().to_owned())))
    });
    let removed = removed.iter().filter_map(|key| Some((key.as_text()?.to_owned(), None)));
    added.chain(removed).collect()
}

/// Returns the partition: from the caller's ARN, else from the region's prefix.
/// Source: AWS General Reference, partitions and their region prefixes.
fn partition(call: Call<'_>) -> &str {
    let stated = call.principal.and_then(|arn| arn.strip_prefix("arn:"));
    if let Some((partition, _)) = stated.and_then(|rest| rest.split_once(':'))
        && partition.starts_with("aws")
    {
        return partition;
    }
    let region = call.region.unwrap_or_default();
    [
        ("us-gov-", "aws-us-gov"),
        ("cn-", "aws-cn"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("us-iso-", "aws-iso"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ]
    .into_iter()
    .find(|(prefix, _)| region.starts_with(prefix))
    .map_or("aws", |(_, partition)| partition)
}

/// The user or server certificate that the message of a denied call names. Such a call has no
/// parameters; the message ends with `… on resource: user bob because …` or
/// `… on resource: arn:aws:iam::…:server-certificate/x …`.
#[derive(Debug)]
struct Resource {
    is_user: bool,
    arn: Option<String>,
    path: Option<String>,
    name: String,
    account: Option<String>,
}

/// Returns the certificate's id and what uses it, as the message of a `DeleteConflict` states them:
/// `Certificate: ASCA… is currently in use by arn:aws:elasticloadbalancing:…. Please remove it …`.
fn conflict(message: &str) -> Option<(&str, &str)> {
    let (id, rest) =
        message.strip_prefix("Certificate: ")?.split_once(" is currently in use by ")?;
    let user = rest.split_once(". Please ").map_or(rest.trim_end_matches('.'), |(user, _)| user);
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_id && !user.trim().is_empty()).then_some((id, user))
}

/// Returns the ARN that an `AccessDenied` message of any service names.
fn denied_arn(message: &str) -> Option<&str> {
    named_in(message)?.split_whitespace().next().filter(|text| text.starts_with("arn:"))
}

fn named_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(" on resource: ")?;
    let rest = rest.split(" because ").next()?.split(" with an explicit deny").next()?;
    Some(rest.trim().trim_end_matches('.'))
}

/// Parses the resource of an `AccessDenied` message.
fn denied_resource(message: &str) -> Option<Resource> {
    let rest = named_in(message)?;
    if rest.starts_with("arn:") {
        return resource_by_arn(rest.split_whitespace().next()?);
    }
    let user = rest.strip_prefix("user ");
    let name = named(user.or_else(|| rest.strip_prefix("server certificate "))?)?;
    Some(Resource { is_user: user.is_some(), arn: None, path: None, name, account: None })
}

/// Returns the name, unless it is empty or a pattern.
fn named(name: &str) -> Option<String> {
    let name = name.trim();
    (!name.is_empty() && !name.contains('*')).then(|| name.to_owned())
}

fn resource_by_arn(arn: &str) -> Option<Resource> {
    let mut parts = arn.splitn(6, ':').skip(4);
    let account = parts.next().filter(|account| !account.is_empty()).map(str::to_owned);
    let (kind, rest) = parts.next()?.split_once('/')?;
    let (path, name) = rest
        .rsplit_once('/')
        .map_or(("/".to_owned(), rest), |(path, name)| (format!("/{path}/"), name));
    let name = named(name)?;
    let is_user = match kind {
        "user" => true,
        "server-certificate" => false,
        _ => return None,
    };
    Some(Resource { is_user, arn: Some(arn.to_owned()), path: Some(path), name, account })
}
