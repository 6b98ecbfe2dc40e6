//! What kind of call it was. AWS's own mapping has no "Upload" and calls it Other; it creates
//! something, so it is a Create here.

/// `activity_id` of API Activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// 1
    Create,
    /// 2
    Read,
    /// 3
    Update,
    /// 4
    Delete,
    /// 99
    Other,
}

/// First words of operation names. Of the twelve all are covered; the rest serve other selections.
const VERBS: [(Activity, &[&str]); 4] = [
    (
        Activity::Create,
        &["Upload", "Create", "Import", "Issue", "Request", "Generate", "Run", "Copy"],
    ),
    (
        Activity::Read,
        &["Get", "List", "Describe", "Export", "Head", "Lookup", "Search", "BatchGet"],
    ),
    (
        Activity::Update,
        &[
            "Update",
            "Untag",
            "Tag",
            "Put",
            "Set",
            "Modify",
            "Attach",
            "Detach",
            "Add",
            "Enable",
            "Disable",
            "Renew",
            "Change",
            "Associate",
            "Disassociate",
            "Start",
            "Stop",
        ],
    ),
    (Activity::Delete, &["Delete", "Remove", "Revoke", "Terminate", "Deregister"]),
];

impl Activity {
    /// By the operation's first word; where that says nothing, by `readOnly`.
    pub(super) fn of(operation: &str, read_only: Option<bool>) -> Self {
        let starts = |verb: &&str| {
            operation.strip_prefix(*verb).is_some_and(|rest| {
                rest.chars().next().is_none_or(|next| !next.is_ascii_lowercase())
            })
        };
        let known = VERBS.iter().find(|(_, verbs)| verbs.iter().any(&starts));
        match known {
            Some((activity, _)) => *activity,
            None if read_only == Some(true) => Self::Read,
            None => Self::Other,
        }
    }

    /// `activity_id`.
    pub(super) fn id(self) -> u64 {
        match self {
            Self::Create => 1,
            Self::Read => 2,
            Self::Update => 3,
            Self::Delete => 4,
            Self::Other => 99,
        }
    }

    /// `activity_name`.
    pub(super) fn caption(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Read => "Read",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Other => "Other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twelve_have_their_activity() {
        let of = |name| Activity::of(name, None);
        for name in ["UploadServerCertificate", "UploadSigningCertificate"] {
            assert_eq!(of(name), Activity::Create);
        }
        for name in [
            "GetServerCertificate",
            "ListServerCertificates",
            "ListServerCertificateTags",
            "ListSigningCertificates",
        ] {
            assert_eq!(of(name), Activity::Read);
        }
        for name in [
            "UpdateServerCertificate",
            "TagServerCertificate",
            "UntagServerCertificate",
            "UpdateSigningCertificate",
        ] {
            assert_eq!(of(name), Activity::Update);
        }
        for name in ["DeleteServerCertificate", "DeleteSigningCertificate"] {
            assert_eq!(of(name), Activity::Delete);
        }
    }

    #[test]
    fn a_word_that_only_begins_like_a_verb_is_no_verb() {
        assert_eq!(Activity::of("Listen", None), Activity::Other);
        assert_eq!(Activity::of("AssumeRole", Some(true)), Activity::Read);
    }
}
