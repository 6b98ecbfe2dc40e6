//! What a setting is: a key, a kind, its documentation and examples. `settings.rs` has them all.

use std::time::Duration;

use super::values::{show_duration, show_size};

/// A setting whose value is of kind `K`.
pub(super) struct Setting<K> {
    pub(super) key: &'static str,
    pub(super) kind: K,
    /// One paragraph of Markdown.
    pub(super) doc: &'static str,
    /// Values as TOML; the first one of a required setting is what its diagnostic suggests.
    pub(super) examples: &'static [&'static str],
}

/// A setting of any kind, as the generators read it.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) key: &'static str,
    pub(super) kind: &'static dyn Kind,
    pub(super) doc: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "only config/certrelay.toml shows examples"))]
    pub(super) examples: &'static [&'static str],
}

/// What a value may be.
pub(super) trait Kind: Sync {
    fn about(&self) -> About;
}

/// What a value looks like, and what holds without it.
pub(super) struct About {
    pub(super) shape: Shape,
    /// The value that holds without the setting, as TOML.
    pub(super) default: Option<String>,
    /// What holds without the setting, in words; empty: its default. [`REQUIRED`]: nothing does.
    pub(super) absent: &'static str,
}

/// [`About::absent`] of a setting that must be written.
pub(super) const REQUIRED: &str = "required";

/// What a value looks like.
#[derive(Clone)]
pub(super) enum Shape {
    Text,
    /// A list of strings, not empty.
    Texts,
    /// A list of strings.
    TextList,
    OneOrMany,
    Flag,
    Number(Number),
    Choice(Vec<&'static str>),
    Table(&'static dyn Table),
    /// `[[key]]`.
    Tables(&'static dyn Table),
    TextOrTable(&'static dyn Table),
    /// A list of strings and tables, not empty.
    Mixed(&'static dyn Table),
    /// The same, or `"discard"`.
    Sinks(&'static dyn Table),
    // Tables whose keys are the operator's own.
    Labels,
    NamedConditions,
    NamedTexts,
    NamedSinks,
    Anything,
}

/// What a number counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things, written as an integer.
    One,
    Bytes,
    Milliseconds,
}

/// A number from `low` to `high`, in its base unit.
#[derive(Clone, Copy)]
pub(super) struct Number {
    pub(super) unit: Unit,
    pub(super) default: u64,
    pub(super) low: u64,
    pub(super) high: u64,
}

/// [`Number::default`] of a number without a default.
pub(super) const NONE: u64 = 0;

impl Number {
    /// Returns a value as the operator writes it, without quotes.
    pub(super) fn show(self, value: u64) -> String {
        match self.unit {
            Unit::One => value.to_string(),
            Unit::Bytes => show_size(value),
            Unit::Milliseconds => show_duration(Duration::from_millis(value)),
        }
    }
}

impl Kind for Number {
    fn about(&self) -> About {
        let shown = self.show(self.default);
        let value = if self.unit == Unit::One { shown } else { format!("\"{shown}\"") };
        let has_default = self.default != NONE;
        About {
            shape: Shape::Number(*self),
            default: has_default.then_some(value),
            absent: if has_default { "" } else { "none" },
        }
    }
}

pub(super) const fn count(default: u64, low: u64, high: u64) -> Number {
    Number { unit: Unit::One, default, low, high }
}

pub(super) const fn size(default: u64, low: u64, high: u64) -> Number {
    Number { unit: Unit::Bytes, default, low, high }
}

pub(super) const fn duration(default: u64, low: u64, high: u64) -> Number {
    Number { unit: Unit::Milliseconds, default, low, high }
}

/// `true` or `false`; holds the default.
pub(super) struct Flag(pub(super) bool);

impl Kind for Flag {
    fn about(&self) -> About {
        About { shape: Shape::Flag, default: Some(self.0.to_string()), absent: "" }
    }
}

/// The words of a choice, and what each stands for.
pub(super) type Words<T> = &'static [(&'static str, T)];

/// One of a few words, with a default.
pub(super) struct Choice<T: 'static> {
    pub(super) words: Words<T>,
    pub(super) default: T,
}

impl<T: PartialEq + Sync> Kind for Choice<T> {
    fn about(&self) -> About {
        let default = self.words.iter().find(|(_, value)| *value == self.default);
        About {
            shape: Shape::Choice(self.words.iter().map(|(word, _)| *word).collect()),
            default: default.map(|(word, _)| format!("\"{word}\"")),
            absent: "",
        }
    }
}

pub(super) const fn choice<T: Copy>(words: Words<T>, default: T) -> Choice<T> {
    Choice { words, default }
}

/// One of a few words that must be written.
pub(super) struct RequiredChoice<T: 'static>(pub(super) Words<T>);

impl<T: Sync> Kind for RequiredChoice<T> {
    fn about(&self) -> About {
        let words = self.0.iter().map(|(word, _)| *word).collect();
        About { shape: Shape::Choice(words), default: None, absent: REQUIRED }
    }
}

/// A string; holds the default.
pub(super) struct Text(pub(super) &'static str);

impl Kind for Text {
    fn about(&self) -> About {
        About { shape: Shape::Text, default: Some(format!("\"{}\"", self.0)), absent: "" }
    }
}

/// Any other value, which the reader checks by itself.
pub(super) struct Other {
    shape: Shape,
    absent: &'static str,
    default: Option<&'static str>,
}

impl Kind for Other {
    fn about(&self) -> About {
        let Self { shape, absent, default } = self;
        About { shape: shape.clone(), default: default.map(str::to_owned), absent }
    }
}

pub(super) const fn required(shape: Shape) -> Other {
    Other { shape, absent: REQUIRED, default: None }
}

pub(super) const fn optional(shape: Shape, absent: &'static str) -> Other {
    Other { shape, absent, default: None }
}

/// `default` is TOML for what holds without the setting; `absent` says it in words, if not empty.
pub(super) const fn defaulted(shape: Shape, default: &'static str, absent: &'static str) -> Other {
    Other { shape, absent, default: Some(default) }
}

/// A table of settings.
pub(super) trait Table: Sync {
    /// What diagnostics and the JSON Schema call it.
    fn title(&self) -> &'static str;
    /// Its own settings, in the order in which they are documented.
    fn own(&'static self) -> Vec<Entry>;
    /// A table whose settings it has, too.
    fn base(&self) -> Option<&'static dyn Table>;
    /// Which keys must be written together with which.
    fn rule(&self) -> Rule;
}

/// Which of some keys must be written.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Any,
    ExactlyOne(&'static [&'static str]),
    AtLeastOne(&'static [&'static str]),
}

/// Drops the `r#` of a key that is a keyword of Rust.
pub(super) const fn name(key: &'static str) -> &'static str {
    match key.as_bytes() {
        [b'r', b'#', ..] => key.split_at(2).1,
        _ => key,
    }
}

/// Declares tables: for each a struct of settings and a static of it. A setting is
/// `/// documentation`, `key: Kind = kind => example | example;`.
macro_rules! tables {
    ($($title:literal $type:ident $table:ident $(: $base:ident)? $([$rule:expr])? {
        $($(#[doc = $doc:literal])+ $key:ident: $kind:ty = $value:expr
            $(=> $($example:literal)|+)?;)*
    })*) => {
        /// The keys of all tables.
        pub(super) static NAMES: &[&str] =
            &[$($($crate::config::setting::name(stringify!($key)),)*)*];
    $(
        pub(super) struct $type { $(pub(super) $key: $crate::config::setting::Setting<$kind>),* }

        pub(super) static $table: $type = $type {
            $($key: $crate::config::setting::Setting {
                key: $crate::config::setting::name(stringify!($key)),
                kind: $value,
                doc: concat!($($doc),+),
                examples: &[$($($example),+)?],
            }),*
        };

        impl $crate::config::setting::Table for $type {
            fn title(&self) -> &'static str {
                $title
            }
            fn own(&'static self) -> Vec<$crate::config::setting::Entry> {
                vec![$({
                    let one = &self.$key;
                    $crate::config::setting::Entry {
                        key: one.key,
                        kind: &one.kind,
                        doc: one.doc,
                        examples: one.examples,
                    }
                }),*]
            }
            fn base(&self) -> Option<&'static dyn $crate::config::setting::Table> {
                [$(&$base as &'static dyn $crate::config::setting::Table)?].first().copied()
            }
            fn rule(&self) -> Rule {
                [$($rule,)? Rule::Any][0]
            }
        }
    )*};
}
pub(super) use tables;
