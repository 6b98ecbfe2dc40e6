//! The text of a table of accounts, CSV or JSON → [`Accounts`], or every mistake with its line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::csv;
use super::super::problem::{Problem, Severity, Source};
use super::super::suggest::did_you_mean;
use super::super::units::plain_text_fault;
use super::super::{ConfigError, is_account_id};
use super::{Account, Accounts};

/// Columns of the table.
const COLUMNS: [&str; 5] = ["id", "name", "ou", "owner", "environment"];

/// More mistakes than these are one: the file is another one than was meant.
const MAX_MISTAKES: usize = 50;

/// One row: its place, and its columns that say something.
struct Row<'t> {
    span: Range<usize>,
    columns: Vec<(Cow<'t, str>, String)>,
}

impl Accounts {
    /// Reads a table. `place` is what it is called in mistakes, and tells the format: JSON, a list of
    /// objects, where it ends in `.json`; else CSV with a header.
    ///
    /// # Errors
    /// Every mistake with its line; a table with one is not used at all.
    pub fn parse(place: &str, text: &str) -> Result<Self, ConfigError> {
        let mut reader = Reader { source: Source::new(place, text), problems: Vec::new() };
        let mut accounts = BTreeMap::new();
        let is_json = place.to_ascii_lowercase().ends_with(".json");
        let rows = if is_json { reader.json(text) } else { reader.csv(text) };
        for row in &rows {
            if reader.is_enough() {
                break;
            }
            let Some(account) = reader.account(row) else { continue };
            if accounts.contains_key(&account.id) {
                reader.mistake(row.span.clone(), "an earlier row is of this account");
                continue;
            }
            accounts.insert(account.id.clone(), Arc::new(account));
        }
        if rows.is_empty() && reader.problems.is_empty() {
            reader.mistake(0..0, "there is no account in it");
        }
        let mut problems = reader.problems;
        problems.sort_by_key(|problem| problem.line);
        match problems.is_empty() {
            true => Ok(Self(accounts)),
            false => Err(ConfigError { place: place.to_owned(), problems }),
        }
    }
}

struct Reader<'t> {
    source: Source<'t>,
    problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    fn mistake(&mut self, span: Range<usize>, text: impl Into<String>) {
        self.problems.push(self.source.problem(Severity::Mistake, span, text.into()));
    }

    fn is_enough(&self) -> bool {
        self.problems.len() >= MAX_MISTAKES
    }

    /// The rows of a CSV; its first row names the columns.
    fn csv(&mut self, text: &'t str) -> Vec<Row<'t>> {
        let mut rows = Vec::new();
        let mut header: Option<Vec<Cow<'t, str>>> = None;
        for row in csv::rows(text) {
            if self.is_enough() {
                break;
            }
            let row = match row {
                Ok(row) => row,
                Err(fault) => {
                    self.mistake(fault.at..fault.at + 1, format!("not CSV: {}", fault.text));
                    break;
                }
            };
            let Some(header) = &header else {
                let names: Vec<_> = row.fields.into_iter().map(trimmed).collect();
                if !self.is_header(&names, &row.span) {
                    break;
                }
                header = Some(names);
                continue;
            };
            if row.fields.len() != header.len() {
                let (found, wanted) = (row.fields.len(), header.len());
                self.mistake(row.span, format!("the header has {wanted} fields, this row {found}"));
                continue;
            }
            let columns = header.iter().cloned().zip(row.fields);
            let columns = columns.map(|(name, value)| (name, value.trim().to_owned()));
            let columns = columns.filter(|(_, value)| !value.is_empty()).collect();
            rows.push(Row { span: row.span, columns });
        }
        rows
    }

    fn is_header(&mut self, names: &[Cow<'_, str>], span: &Range<usize>) -> bool {
        let before = self.problems.len();
        for (at, name) in names.iter().enumerate() {
            if let Some(text) = unknown(name) {
                self.mistake(span.clone(), text);
            } else if names[..at].contains(name) {
                self.mistake(span.clone(), format!("two columns are called `{name}`"));
            }
        }
        if !names.iter().any(|name| name == "id") {
            let text = format!("the first line names the columns, `id` among {}", all_columns());
            self.mistake(span.clone(), text);
        }
        self.problems.len() == before
    }

    /// The objects of a JSON list.
    fn json(&mut self, text: &'t str) -> Vec<Row<'t>> {
        let items = match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) => items,
            Err(cause) => {
                let line = text.split_inclusive('\n').take(cause.line().saturating_sub(1));
                let at = line.map(str::len).sum::<usize>() + cause.column().saturating_sub(1);
                self.mistake(at..at + 1, format!("not a JSON list of objects: {cause}"));
                return Vec::new();
            }
        };
        let start = text.as_ptr() as usize;
        let rows = items.into_iter().filter_map(|item| {
            let at = item.get().as_ptr() as usize - start;
            self.object(item.get(), at..at + item.get().len())
        });
        rows.collect()
    }

    fn object(&mut self, text: &'t str, span: Range<usize>) -> Option<Row<'t>> {
        if self.is_enough() {
            return None;
        }
        let Ok(members) = serde_json::from_str::<BTreeMap<String, Value>>(text) else {
            self.mistake(span, "an account is an object: { \"id\": \"111122223333\", … }");
            return None;
        };
        let mut columns = Vec::new();
        for (name, value) in members {
            match (unknown(&name), value) {
                (Some(text), _) => self.mistake(span.clone(), text),
                (None, Value::String(text)) if text.trim().is_empty() => {}
                (None, Value::String(text)) => {
                    columns.push((Cow::Owned(name), text.trim().to_owned()));
                }
                (None, Value::Null) => {}
                (None, _) => self.mistake(span.clone(), format!("`{name}` must be a string")),
            }
        }
        Some(Row { span, columns })
    }

    /// The account of a row, if it has one.
    fn account(&mut self, row: &Row<'_>) -> Option<Account> {
        let mut account = Account::default();
        let before = self.problems.len();
        for (name, value) in &row.columns {
            if let Some(fault) = plain_text_fault(value) {
                self.mistake(row.span.clone(), format!("`{name}` {fault}"));
                continue;
            }
            let value = value.clone();
            match name.as_ref() {
                "id" => account.id = value,
                "name" => account.name = Some(value),
                "ou" => account.ou = Some(value),
                "owner" => account.owner = Some(value),
                _ => account.environment = Some(value),
            }
        }
        if !is_account_id(&account.id) {
            let text = "`id` is an account's 12 digits; spreadsheets cut leading zeros, so format the \
                        column as text";
            self.mistake(row.span.clone(), text);
        }
        (self.problems.len() == before).then_some(account)
    }
}

fn trimmed(field: Cow<'_, str>) -> Cow<'_, str> {
    match field {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// What is said about a column that does not exist.
fn unknown(name: &str) -> Option<String> {
    if COLUMNS.contains(&name) {
        return None;
    }
    let hint = did_you_mean(name, COLUMNS);
    Some(format!("unknown column `{}`; there are {}{hint}", name.escape_debug(), all_columns()))
}

fn all_columns() -> String {
    COLUMNS.join(", ")
}
