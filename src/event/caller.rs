//! Who called, in the kinds that matter for judging a call and for stopping the caller: a user, a role, root, root
//! assumed centrally, a service of AWS, and those whose credentials are somebody else's to stop.

use super::json::Node;

/// What kind of caller it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The account's root, signed in as such, or under a token that it got (`sts:GetFederationToken`).
    Root,
    /// Root by `sts:AssumeRoot`: central management of member accounts, short-lived and scoped.
    AssumedRoot,
    /// An IAM user.
    User,
    /// A role's session.
    Role,
    /// A federated user: a session under a token that an IAM user got (`sts:GetFederationToken`).
    Federated,
    /// A user of IAM Identity Center, with no role between.
    IdentityCenter,
    /// Somebody of another account, whom the record does not name.
    Account,
    /// AWS itself.
    Service,
    /// Anything else, or unknown.
    Other,
}

/// The caller of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// Its kind.
    pub(super) kind: Kind,
    /// `userIdentity.accountId`.
    pub(super) account: Option<String>,
    /// The user's or the role's own ARN: for a session that of its issuer.
    pub(super) principal: Option<String>,
    /// `accessKeyId`.
    pub(super) key: Option<String>,
    /// Whether the session proved a second factor; `None`: nothing is said.
    pub(super) mfa: Option<bool>,
    /// `onBehalfOf.identityStoreArn`, of a user of IAM Identity Center.
    pub(super) identity_store: Option<String>,
    name: Option<String>,
    session: Option<String>,
    invoked_by: Option<String>,
    on_behalf_of: Option<String>,
}

impl Caller {
    /// The caller of a record.
    pub(super) fn of(root: &Node<'_>) -> Self {
        let text = |path: &str| root.text(&format!("userIdentity.{path}")).map(str::to_owned);
        let arn = text("arn");
        let (role, token) = (arn.as_deref().and_then(role), arn.as_deref().and_then(federated));
        let kind = kind(root, role.is_some());
        let issuer = text("sessionContext.sessionIssuer.arn");
        let name = match role {
            Some((role, _)) => Some(role.to_owned()),
            None => text("userName").or_else(|| text("sessionContext.sessionIssuer.userName")),
        };
        let session = role.and_then(|(_, session)| session).or(token).map(str::to_owned);
        Self {
            kind,
            account: text("accountId"),
            principal: if kind == Kind::Role { issuer.or(arn) } else { arn },
            key: text("accessKeyId"),
            mfa: root.flag("userIdentity.sessionContext.attributes.mfaAuthenticated"),
            identity_store: text("onBehalfOf.identityStoreArn"),
            name,
            session,
            invoked_by: text("invokedBy"),
            on_behalf_of: text("onBehalfOf.userId"),
        }
    }

    /// Whether the key never expires by itself. Source: IAM user guide, unique identifiers: `AKIA`
    /// is an access key, `ASIA` a temporary one.
    pub(super) fn has_long_term_key(&self) -> bool {
        self.key.as_deref().is_some_and(|key| key.starts_with("AKIA"))
    }

    /// The user's or the role's name.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The role session's name.
    pub(super) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// What commands know it by: its own name; of a federated user that of the user whose token it has; a service's
    /// host name; the id of a user of IAM Identity Center.
    pub(super) fn goes_by(&self) -> Option<&str> {
        match self.kind {
            Kind::User | Kind::Role | Kind::Federated => self.name(),
            Kind::Service => self.invoked_by.as_deref(),
            Kind::IdentityCenter => self.on_behalf_of.as_deref(),
            Kind::Root | Kind::AssumedRoot | Kind::Account | Kind::Other => None,
        }
    }

    /// What to call it in a sentence.
    pub(super) fn phrase(&self) -> String {
        let name = self.name.as_deref();
        match (self.kind, name, &self.session) {
            (Kind::Root, ..) => "root".to_owned(),
            (Kind::AssumedRoot, ..) => "centrally assumed root".to_owned(),
            (Kind::Role, Some(role), Some(session)) => format!("role {role} (session {session})"),
            (Kind::Role, Some(role), None) => format!("role {role}"),
            (Kind::User, Some(name), _) => format!("user {name}"),
            (Kind::Federated, Some(name), Some(session)) => {
                format!("federated user {session} (token of user {name})")
            }
            _ => self.fallback(),
        }
    }

    fn fallback(&self) -> String {
        let account = || self.account.as_ref().map(|id| format!("account {id}"));
        let known = self.invoked_by.clone().or_else(|| self.principal.clone());
        let user = || self.on_behalf_of.as_ref().map(|id| format!("Identity Center user {id}"));
        let known = known.or_else(user).or_else(|| self.name.clone()).or_else(account);
        known.unwrap_or_else(|| "an unknown caller".to_owned())
    }
}

/// What `userIdentity.type` comes to. Source: CloudTrail user guide, “CloudTrail userIdentity element”. `SAMLUser` and
/// `WebIdentityUser` only call STS, for a role's session; `Directory` and `Unknown` say nothing more.
fn kind(root: &Node<'_>, is_role: bool) -> Kind {
    let text = |path: &str| root.text(&format!("userIdentity.{path}"));
    if root.flag("userIdentity.sessionContext.assumedRoot") == Some(true) {
        return Kind::AssumedRoot;
    }
    let of_root = text("sessionContext.sessionIssuer.type") == Some("Root");
    match text("type") {
        Some("Root") => Kind::Root,
        Some("FederatedUser") if of_root => Kind::Root,
        Some("FederatedUser") => Kind::Federated,
        Some("IAMUser") => Kind::User,
        Some("AssumedRole" | "Role") => Kind::Role,
        Some("IdentityCenterUser") => Kind::IdentityCenter,
        Some("AWSAccount") => Kind::Account,
        Some("AWSService") => Kind::Service,
        _ if is_role => Kind::Role,
        _ => Kind::Other,
    }
}

/// Role, and session if there is one, of `arn:aws:sts::…:assumed-role/ROLE/SESSION` or `arn:aws:iam::…:role/PATH/ROLE`.
fn role(arn: &str) -> Option<(&str, Option<&str>)> {
    let assumed = assumed_role(arn).map(|(role, session)| (role, Some(session)));
    assumed.or_else(|| Some((arn.split_once(":role/")?.1.rsplit('/').next()?, None)))
}

/// Name of `arn:aws:sts::…:federated-user/NAME`.
fn federated(arn: &str) -> Option<&str> {
    Some(arn.split_once(":federated-user/")?.1)
}

/// Role and session of `arn:aws:sts::…:assumed-role/ROLE/SESSION`.
pub(super) fn assumed_role(arn: &str) -> Option<(&str, &str)> {
    arn.split_once(":assumed-role/")?.1.split_once('/')
}
