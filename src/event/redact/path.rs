//! Where a value stands, spelled out only if it is redacted: nearly none is.

/// Longest path that is spelled out: hostile names must not make the output grow.
const MAX_PATH: usize = 256;

/// A place in the record, by the steps that lead to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'p> {
    above: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root,
    Member(&'p str),
    Item(usize),
    /// A member whose name is hidden itself; nothing above it is told.
    HiddenMember,
}

impl<'p> Path<'p> {
    /// The record itself.
    pub(super) const ROOT: Self = Self { above: None, step: Step::Root };

    /// The member of this name.
    pub(super) fn member(&'p self, name: &'p str) -> Self {
        Self { above: Some(self), step: Step::Member(name) }
    }

    /// The item at this place of an array.
    pub(super) fn item(&'p self, index: usize) -> Self {
        Self { above: Some(self), step: Step::Item(index) }
    }

    /// A member whose name must not be told.
    pub(super) fn hidden_member() -> Self {
        Self { above: None, step: Step::HiddenMember }
    }

    /// As `requestParameters.tags.0`, cut where it gets too long.
    pub(super) fn spell(&self) -> String {
        let mut path = self.above.map(Self::spell).unwrap_or_default();
        match self.step {
            Step::Root => return path,
            Step::HiddenMember => return "(name)".to_owned(),
            Step::Member(name) => push(&mut path, name),
            Step::Item(index) => push(&mut path, &index.to_string()),
        }
        if path.len() > MAX_PATH {
            path.truncate(path.floor_char_boundary(MAX_PATH));
            path.push('…');
        }
        path
    }
}

fn push(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}
