//! Who called, in the kinds that matter for judging a call: a user, a role, root, root assumed
//! centrally, or a service of AWS.

use super::json::Node;

/// What kind of caller it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The account's root, signed in as such.
    Root,
    /// Root by `sts:AssumeRoot`: central management of member accounts, short-lived and scoped.
    AssumedRoot,
    /// An IAM user.
    User,
    /// A role's session.
    Role,
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
    name: Option<String>,
    session: Option<String>,
    invoked_by: Option<String>,
}

impl Caller {
    /// The caller of a record.
    pub(super) fn of(root: &Node<'_>) -> Self {
        let text = |path: &str| root.text(&format!("userIdentity.{path}")).map(str::to_owned);
        let assumed = root.flag("userIdentity.sessionContext.assumedRoot") == Some(true);
        let arn = text("arn");
        let role = arn.as_deref().and_then(assumed_role);
        let kind = match text("type").as_deref() {
            _ if assumed => Kind::AssumedRoot,
            Some("Root") => Kind::Root,
            Some("IAMUser") => Kind::User,
            Some("AssumedRole") => Kind::Role,
            Some("AWSService") => Kind::Service,
            _ if role.is_some() => Kind::Role,
            _ => Kind::Other,
        };
        let issuer = text("sessionContext.sessionIssuer.arn");
        let name = match role {
            Some((role, _)) => Some(role.to_owned()),
            None => text("userName").or_else(|| text("sessionContext.sessionIssuer.userName")),
        };
        let session = role.map(|(_, session)| session.to_owned());
        Self {
            kind,
            account: text("accountId"),
            principal: if kind == Kind::Role { issuer.or(arn) } else { arn },
            key: text("accessKeyId"),
            mfa: root.flag("userIdentity.sessionContext.attributes.mfaAuthenticated"),
            name,
            session,
            invoked_by: text("invokedBy"),
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

    /// What to call it in a sentence.
    pub(super) fn phrase(&self) -> String {
        let name = self.name.as_deref();
        match (self.kind, name, &self.session) {
            (Kind::Root, ..) => "root".to_owned(),
            (Kind::AssumedRoot, ..) => "centrally assumed root".to_owned(),
            (Kind::Role, Some(role), Some(session)) => format!("role {role} (session {session})"),
            (Kind::User, Some(name), _) => format!("user {name}"),
            _ => self.fallback(),
        }
    }

    fn fallback(&self) -> String {
        let account = || self.account.as_ref().map(|id| format!("account {id}"));
        let known = self.invoked_by.clone().or_else(|| self.principal.clone());
        let known = known.or_else(|| self.name.clone()).or_else(account);
        known.unwrap_or_else(|| "an unknown caller".to_owned())
    }
}

/// Role and session of `arn:aws:sts::…:assumed-role/ROLE/SESSION`.
pub(super) fn assumed_role(arn: &str) -> Option<(&str, &str)> {
    arn.split_once(":assumed-role/")?.1.split_once('/')
}
