//! Where in a document a walk is: the states of [`Document`](super::document::Document).

/// What the keys of a top-level object said so far.
#[derive(Default)]
pub(super) struct Object {
    pub(super) records: bool,
    pub(super) event: bool,
    pub(super) digest: bool,
}

/// What is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Start,
    /// Between top-level values.
    Top,
    /// In a top-level object, where a key belongs; whether it would be the first.
    Key(bool),
    /// After a key; whether it is `Records`.
    Colon(bool),
    Value(bool),
    Skipped,
    AfterMember,
    /// In an array of records.
    Gap(Gap),
    /// In an element of it: an object, or an array where an object belongs.
    Element {
        object: bool,
    },
    /// In a record that is a top-level value.
    Line,
}

/// What came last in an array of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    First,
    AfterElement,
    AfterComma,
}

/// Whether a step got anywhere.
pub(super) enum Step {
    Done,
    /// More of the document is needed.
    More,
}
