//! What a call acts on: the certificate and the user, for success and failure alike.
//!
//! IAM's records carry no `resources`, a denied call has no parameters, and a user left out means the
//! caller; so the target is put together here. What was inferred rather than read says so.

mod denied;
#[cfg(test)]
mod tests;
mod trail;

use time::OffsetDateTime;

pub(super) use trail::Trail;

use super::json::Node;
use super::record::Fields;
use super::{CallOutcome, date};

/// `eventSource` of CloudTrail itself.
const TRAIL_EVENT_SOURCE: &str = crate::config::AUDIT_TRAIL.1;

/// What the call acts on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// A server certificate.
    pub(super) server_certificate: Option<ServerCertificate>,
    /// A signing certificate of `user`.
    pub(super) signing_certificate: Option<SigningCertificate>,
    /// Whose signing certificate it is.
    pub(super) user: Option<User>,
    /// A trail of CloudTrail.
    pub(super) trail: Option<Trail>,
    /// The target was read out of `errorMessage`: a hint, not a fact.
    pub(super) from_message: bool,
    /// Account that the target belongs to.
    pub(super) account: Option<String>,
    /// `aws`, `aws-us-gov`, `aws-cn`, `aws-iso`…
    pub(super) partition: String,
}

/// A server certificate, as far as the record tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ServerCertificate {
    /// `serverCertificateName`.
    pub(super) name: String,
    /// Path, where the record states it.
    pub(super) path: Option<String>,
    /// `serverCertificateId`, which survives a rename.
    pub(super) id: Option<String>,
    /// ARN: as stated, or built. Without a stated path it is built on `/`, which may be wrong.
    pub(super) arn: Option<String>,
    /// What it is called after a successful rename or move, or would be called.
    pub(super) renamed: Option<Renamed>,
    /// `tags` added, or keys removed.
    pub(super) tags: Vec<(String, Option<String>)>,
    /// `uploadDate`.
    pub(super) uploaded: Option<OffsetDateTime>,
    /// `expiration`, as IAM read it from the certificate.
    pub(super) expires: Option<OffsetDateTime>,
}

/// The name, path and ARN that an `UpdateServerCertificate` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Renamed {
    /// New name; the old one, if only the path changes.
    pub(super) name: String,
    /// New path, if it changes.
    pub(super) path: Option<String>,
    /// New ARN, with the same reserve as the old one's.
    pub(super) arn: Option<String>,
}

/// A signing certificate, as far as the record tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SigningCertificate {
    /// `certificateId`; an upload that failed has none.
    pub(super) id: Option<String>,
    /// `Active`, `Inactive`, `Expired`.
    pub(super) status: Option<String>,
    /// `uploadDate`.
    pub(super) uploaded: Option<OffsetDateTime>,
}

/// A user of IAM, or root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct User {
    /// `userName`; `root` for root.
    pub(super) name: String,
    /// ARN: the caller's own, or built on the path `/`.
    pub(super) arn: Option<String>,
    /// The caller acts on itself.
    pub(super) is_caller: bool,
    /// The account's root.
    pub(super) is_root: bool,
}

impl Target {
    /// The target of a record.
    pub(super) fn of(root: &Node<'_>, fields: &Fields) -> Self {
        let mut target = Self {
            account: fields.account.clone(),
            partition: partition(fields).to_owned(),
            ..Self::default()
        };
        if fields.source == TRAIL_EVENT_SOURCE {
            target.read_trail(root, fields);
            return target;
        }
        if fields.source != crate::config::IAM_EVENT_SOURCE {
            return target;
        }
        if fields.name.contains("ServerCertificate") {
            target.read_server_certificate(root);
        } else if fields.name.contains("SigningCertificate") {
            target.read_signing_certificate(root, fields);
        }
        if target.is_unknown() && fields.outcome == CallOutcome::Failure {
            target.read_message(root.text("errorMessage").unwrap_or_default());
        }
        target.settle_user(root);
        target
    }

    /// The trail, from the parameters or from the message of a denied call.
    fn read_trail(&mut self, root: &Node<'_>, fields: &Fields) {
        let (region, account) = (fields.region.as_deref(), fields.account.as_deref());
        self.trail = trail::of(root, [Some(&self.partition), region, account]);
        if self.trail.is_none() && fields.outcome == CallOutcome::Failure {
            let message = root.text("errorMessage").unwrap_or_default();
            self.trail = denied::arn(message).and_then(trail::by_arn);
            self.from_message = self.trail.is_some();
        }
        let arn = self.trail.as_ref().and_then(|trail| trail.arn.as_deref());
        self.account = arn.and_then(trail::account).map(str::to_owned).or(self.account.take());
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
        });
    }

    fn read_signing_certificate(&mut self, root: &Node<'_>, fields: &Fields) {
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
        if fields.name != "ListSigningCertificates" {
            self.signing_certificate = Some(certificate);
        }
        let named = |name: &str| User { name: name.to_owned(), ..User::default() };
        let own = asks_for_caller(root, fields).then(|| caller(root)).flatten();
        self.user =
            requested_user(root).map(named).or(own).or_else(|| response("userName").map(named));
    }

    fn read_message(&mut self, message: &str) {
        match denied::resource(message) {
            Some(denied::Resource::ServerCertificate { arn, path, name, account }) => {
                self.account = account.or(self.account.take());
                let arn = arn.or_else(|| self.certificate_arn(path.as_deref(), &name));
                self.server_certificate =
                    Some(ServerCertificate { name, path, arn, ..ServerCertificate::default() });
            }
            Some(denied::Resource::User { arn, name, account }) => {
                self.account = account.or(self.account.take());
                self.user = Some(User { name, arn, ..User::default() });
            }
            None => return,
        }
        self.from_message = true;
    }

    /// Compares the user with the caller and builds its ARN.
    fn settle_user(&mut self, root: &Node<'_>) {
        let Some(user) = &mut self.user else { return };
        // A name that is asked for is an IAM user's: root has none, and a user may be called `root`.
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

    /// The ARN of the certificate, else of the user, else of the trail.
    pub(super) fn arn(&self) -> Option<String> {
        if let Some(trail) = &self.trail {
            return trail.arn.clone();
        }
        let certificate =
            self.server_certificate.as_ref().and_then(|certificate| certificate.arn.clone());
        certificate.or_else(|| self.user.as_ref()?.arn.clone())
    }

    /// What to call it in a sentence.
    pub(super) fn phrase(&self) -> Option<String> {
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

/// The user that the request names. Source: IAM API Reference, `UploadSigningCertificate` and its like: `UserName` names
/// an IAM user; left out, it means the caller, which is the only way to root's own certificates.
fn requested_user<'n>(root: &'n Node<'_>) -> Option<&'n str> {
    root.text("requestParameters.userName")
}

/// Whether a missing `userName` means the caller: the parameters are there and do not name one. Where
/// CloudTrail left the parameters out (denied, too long) nothing is known.
fn asks_for_caller(root: &Node<'_>, fields: &Fields) -> bool {
    match root.at("requestParameters") {
        Some(parameters) if !parameters.members().is_empty() => {
            parameters.flag("omitted") != Some(true)
        }
        _ => fields.name == "ListSigningCertificates" && fields.outcome == CallOutcome::Success,
    }
}

/// The caller, if it is one that can have signing certificates: a user or root, never a role.
fn caller(root: &Node<'_>) -> Option<User> {
    let identity = root.at("userIdentity")?;
    let arn = identity.text("arn").map(str::to_owned);
    match identity.text("type")? {
        "Root" => Some(User { name: "root".to_owned(), arn, is_caller: true, is_root: true }),
        "IAMUser" => {
            let name = identity.text("userName").or_else(|| arn.as_deref()?.rsplit('/').next())?;
            Some(User { name: name.to_owned(), arn: arn.clone(), is_caller: true, is_root: false })
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

/// The partition: stated by the caller's ARN, else by the region's name.
/// Source: AWS General Reference, partitions and their region prefixes.
pub(super) fn partition(fields: &Fields) -> &str {
    let stated = fields.principal.as_deref().and_then(|arn| arn.strip_prefix("arn:"));
    if let Some((partition, _)) = stated.and_then(|rest| rest.split_once(':'))
        && partition.starts_with("aws")
    {
        return partition;
    }
    let region = fields.region.as_deref().unwrap_or_default();
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
