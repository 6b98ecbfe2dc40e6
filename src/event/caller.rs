//! Who called, by the kinds that matter for findings and for stopping the caller: a user, a role,
//! root, centrally assumed root, an AWS service, and callers whose credentials belong to others.

use super::json::Node;

/// The kind of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The account's root, signed in as such, or with its token (`sts:GetFederationToken`).
    Root,
    /// Root by `sts:AssumeRoot`: central management of member accounts, short-lived and scoped.
    AssumedRoot,
    /// An IAM user.
    User,
    /// A role's session.
    Role,
    /// A federated user: a session with an IAM user's token (`sts:GetFederationToken`).
    Federated,
    /// A user of IAM Identity Center, without a role.
    IdentityCenter,
    /// A principal of another account, which the record does not name.
    Account,
    /// An AWS service.
    Service,
    /// Another kind, or unknown.
    Other,
}

/// The caller of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its kind.
    pub(crate) kind: Kind,
    /// `userIdentity.accountId`.
    pub(crate) account: Option<String>,
    /// The user's or role's own ARN: for a session that of its issuer.
    pub(crate) principal: Option<String>,
    /// `accessKeyId`.
    pub(crate) key: Option<String>,
    /// Whether the session has MFA; `None`: unknown.
    pub(crate) mfa: Option<bool>,
    /// `onBehalfOf.identityStoreArn` of a user of IAM Identity Center.
    pub(crate) identity_store: Option<String>,
    name: Option<String>,
    session: Option<String>,
    id: Option<String>,
    invoked_by: Option<String>,
    on_behalf_of: Option<String>,
}

impl Caller {
    /// Returns the caller of a record.
    pub(crate) fn of(root: &Node<'_>) -> Self {
        let text = |path: &str| root.text(&format!("userIdentity.{path}")).map(str::to_owned);
        let arn = text("arn");
        let (role, token) = (arn.as_deref().and_then(role), arn.as_deref().and_then(federated));
        let kind = kind(root, role.is_some());
        let issuer = text("sessionContext.sessionIssuer.arn");
        let name = match role {
            Some((role, _)) => Some(role.to_owned()),
            None => root
                .at("userIdentity")
                .and_then(user_name)
                .map(str::to_owned)
                .or_else(|| text("sessionContext.sessionIssuer.userName"))
                .or_else(|| root.text("additionalEventData.UserName").map(str::to_owned)),
        };
        let session = role.and_then(|(_, session)| session).or(token).map(str::to_owned);
        Self {
            kind,
            account: text("accountId"),
            id: text("arn").or_else(|| text("onBehalfOf.userId")).or_else(|| text("principalId")),
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

    /// Returns whether the key does not expire. Source: IAM user guide, unique identifiers: `AKIA`
    /// is an access key, `ASIA` a temporary one.
    pub(crate) fn has_long_term_key(&self) -> bool {
        self.key.as_deref().is_some_and(|key| key.starts_with("AKIA"))
    }

    /// Returns the user's or the role's name.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the user's or the role's name; `root` for root, whatever the account's alias.
    pub(crate) fn user_name(&self) -> Option<&str> {
        match self.kind {
            Kind::Root | Kind::AssumedRoot => Some("root"),
            _ => self.name(),
        }
    }

    /// Returns the host name of the AWS service that called, or through which it was called.
    pub(crate) fn service(&self) -> Option<&str> {
        self.invoked_by.as_deref()
    }

    /// Returns its ARN; of a caller without one, the id of a user of IAM Identity Center, or
    /// `principalId`.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the name of the role's or the federated user's session.
    pub(crate) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Returns its name in commands: its own; a federated user's token's user; a service's host
    /// name; the id of a user of IAM Identity Center.
    pub(crate) fn command_name(&self) -> Option<&str> {
        match self.kind {
            Kind::User | Kind::Role | Kind::Federated => self.name(),
            Kind::Service => self.invoked_by.as_deref(),
            Kind::IdentityCenter => self.on_behalf_of.as_deref(),
            Kind::Root | Kind::AssumedRoot | Kind::Account | Kind::Other => None,
        }
    }

    /// Returns what it is called in a sentence.
    pub(crate) fn phrase(&self) -> String {
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

/// Returns the kind for `userIdentity.type`. Source: CloudTrail user guide, “CloudTrail
/// userIdentity element”. `SAMLUser` and `WebIdentityUser` only call STS, for a role's session;
/// `Directory` and `Unknown` are not specific.
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

/// Returns a user's `userName`; where CloudTrail has hidden or omitted it, the name in its ARN.
pub(crate) fn user_name<'n>(identity: &'n Node<'_>) -> Option<&'n str> {
    let stated = identity.text("userName").filter(|name| *name != HIDDEN);
    stated.or_else(|| identity.text("arn")?.split_once(":user/")?.1.rsplit('/').next())
}

/// What CloudTrail has instead of a user name that it does not know to be one.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// Returns role, and session if there is one, of `arn:aws:sts::…:assumed-role/ROLE/SESSION` or
/// `arn:aws:iam::…:role/PATH/ROLE`. A session's ARN may have the role's path.
fn role(arn: &str) -> Option<(&str, Option<&str>)> {
    let assumed = arn.split_once(":assumed-role/").and_then(|(_, rest)| rest.rsplit_once('/'));
    let (role, session) = match assumed {
        Some((role, session)) => (role, Some(session)),
        None => (arn.split_once(":role/")?.1, None),
    };
    Some((role.rsplit('/').next()?, session))
}

/// Returns the name of `arn:aws:sts::…:federated-user/NAME`.
fn federated(arn: &str) -> Option<&str> {
    Some(arn.split_once(":federated-user/")?.1)
}
