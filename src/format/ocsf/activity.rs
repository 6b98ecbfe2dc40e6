//! The activity of an operation. AWS's own mapping has no "Upload" and uses Other; an upload
//! creates something, so it is a Create here.

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

/// First words of operation names: those of the twelve operations, and common ones of other
/// services.
const VERBS: [(Activity, &str); 4] = [
    (Activity::Create, "Upload Create Import Issue Request Generate Run Copy"),
    (Activity::Read, "Get List Describe Export Head Lookup Search BatchGet"),
    (
        Activity::Update,
        "Update Untag Tag Put Set Modify Attach Detach Add Enable Disable Renew Change Associate \
         Disassociate Start Stop",
    ),
    (Activity::Delete, "Delete Remove Revoke Terminate Deregister"),
];

impl Activity {
    /// Returns the activity by the operation's first word; if that is unknown, by `readOnly`.
    pub(super) fn of(operation: &str, read_only: Option<bool>) -> Self {
        let starts = |verb: &str| {
            operation.strip_prefix(verb).is_some_and(|rest| {
                rest.chars().next().is_none_or(|next| !next.is_ascii_lowercase())
            })
        };
        let known = VERBS.iter().find(|(_, verbs)| verbs.split(' ').any(starts));
        match known {
            Some((activity, _)) => *activity,
            None if read_only == Some(true) => Self::Read,
            None => Self::Other,
        }
    }

    /// Returns `activity_id` and `activity_name`.
    pub(super) fn id_and_name(self) -> (u64, &'static str) {
        match self {
            Self::Create => (1, "Create"),
            Self::Read => (2, "Read"),
            Self::Update => (3, "Update"),
            Self::Delete => (4, "Delete"),
            Self::Other => (99, "Other"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twelve_have_their_activity() {
        for (activity, names) in [
            (Activity::Create, "UploadServerCertificate UploadSigningCertificate"),
            (Activity::Read, "GetServerCertificate ListServerCertificates"),
            (Activity::Read, "ListServerCertificateTags ListSigningCertificates"),
            (Activity::Update, "UpdateServerCertificate UpdateSigningCertificate"),
            (Activity::Update, "TagServerCertificate UntagServerCertificate"),
            (Activity::Delete, "DeleteServerCertificate DeleteSigningCertificate"),
        ] {
            for name in names.split(' ') {
                assert_eq!(Activity::of(name, None), activity, "{name}");
            }
        }
    }

    #[test]
    fn a_word_that_only_starts_like_a_verb_is_not_that_verb() {
        assert_eq!(Activity::of("Listen", None), Activity::Other);
        assert_eq!(Activity::of("AssumeRole", Some(true)), Activity::Read);
    }
}
