//! `[accounts]`: the names of the organisation's accounts. A table by account id, CSV or JSON;
//! every invalid row is an error with its line.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::diagnostic::{ConfigError, Diagnostic, Severity, Source, did_you_mean};
use super::source::is_account_id;
use super::values::plain_text_fault;

/// Columns of the table.
const COLUMNS: [&str; 5] = ["id", "name", "ou", "owner", "environment"];

/// Errors that are reported, at most: with more, it is not the file that was meant.
const MAX_ERRORS: usize = 50;

/// Labels of an account, for `when.label` and the formats.
pub(crate) const ACCOUNT_LABELS: [&str; 2] = ["owner", "environment"];

/// One AWS account, as its organisation describes it. Not secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Its 12 digits.
    pub id: String,
    /// Its display name.
    pub name: Option<String>,
    /// Organisational unit: a name, or a path of names.
    pub ou: Option<String>,
    /// Who is responsible for it.
    pub owner: Option<String>,
    /// `production`, `sandbox` …
    pub environment: Option<String>,
}

impl Account {
    /// Returns its label of this name, one of `ACCOUNT_LABELS`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        match name {
            "owner" => self.owner.as_deref(),
            "environment" => self.environment.as_deref(),
            _ => None,
        }
    }
}

/// The accounts by id.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Accounts(BTreeMap<String, Arc<Account>>);

impl Accounts {
    /// Returns the account of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Account>> {
        self.0.get(id)
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Accounts {
    /// Shows their number: a table of thousands would fill a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accounts", self.0.len())
    }
}

/// The location of a table: a file, an object, or a folder or prefix of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableLocation {
    /// On this machine.
    Local(PathBuf),
    /// In S3, read with the process's credentials.
    S3 {
        /// Bucket.
        bucket: String,
        /// Key, or prefix.
        key: String,
    },
}

impl fmt::Display for TableLocation {
    /// Writes `s3://bucket/key` or the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
        }
    }
}

/// What is read at start and again on a timer: `[accounts]`, `[credential_reports]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// Where it is.
    pub location: TableLocation,
    /// How often it is read again.
    pub refresh: Duration,
}

impl Refreshed {
    /// Returns whether reading it needs AWS.
    #[must_use]
    pub fn is_in_s3(&self) -> bool {
        matches!(self.location, TableLocation::S3 { .. })
    }
}

/// One row: its span, and its columns that are not empty.
struct Row {
    span: Range<usize>,
    columns: Vec<(String, String)>,
}

impl Accounts {
    /// Parses a table. `location` is what diagnostics call it, and decides the format: JSON, a list
    /// of objects, if it ends in `.json`; else CSV with a header.
    ///
    /// # Errors
    /// Every error with its line; a table with one is not used at all.
    pub fn parse(location: &str, text: &str) -> Result<Self, ConfigError> {
        let mut reader = Reader { source: Source::new(location, text), errors: Vec::new() };
        let mut accounts = BTreeMap::new();
        let is_json = location.to_ascii_lowercase().ends_with(".json");
        let rows = if is_json { reader.json(text) } else { reader.csv(text) };
        for row in &rows {
            if reader.is_full() {
                break;
            }
            let Some(account) = reader.account(row) else { continue };
            if accounts.contains_key(&account.id) {
                reader.error(row.span.clone(), "an earlier row is of this account");
                continue;
            }
            accounts.insert(account.id.clone(), Arc::new(account));
        }
        if rows.is_empty() && reader.errors.is_empty() {
            reader.error(0..0, "the accounts table is empty");
        }
        let mut diagnostics = reader.errors;
        diagnostics.sort_by_key(|diagnostic| diagnostic.line);
        match diagnostics.is_empty() {
            true => Ok(Self(accounts)),
            false => Err(ConfigError { location: location.to_owned(), diagnostics }),
        }
    }
}

struct Reader<'t> {
    source: Source<'t>,
    errors: Vec<Diagnostic>,
}

impl<'t> Reader<'t> {
    fn error(&mut self, span: Range<usize>, text: impl Into<String>) {
        self.errors.push(self.source.diagnostic(Severity::Error, span, text.into()));
    }

    fn is_full(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    /// Returns the rows of a CSV; its first row names the columns.
    fn csv(&mut self, text: &'t str) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut header: Option<csv::StringRecord> = None;
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).flexible(true).trim(csv::Trim::All);
        let mut reader = reader.from_reader(text.as_bytes());
        let mut row = csv::StringRecord::new();
        while !self.is_full() && matches!(reader.read_record(&mut row), Ok(true)) {
            let span = span_of(text, &row, reader.position());
            if has_open_quote(&text[span.clone()]) {
                self.error(span, "not CSV: a quotation mark is never closed");
                break;
            }
            let Some(header) = &header else {
                if !self.is_header(&row, &span) {
                    break;
                }
                header = Some(row.clone());
                continue;
            };
            if row.len() != header.len() {
                let (expected, found) = (header.len(), row.len());
                self.error(span, format!("the header has {expected} fields, this row {found}"));
                continue;
            }
            let columns = header.iter().zip(&row).filter(|(_, value)| !value.is_empty());
            let columns = columns.map(|(name, value)| (name.to_owned(), value.to_owned()));
            rows.push(Row { span, columns: columns.collect() });
        }
        rows
    }

    fn is_header(&mut self, names: &csv::StringRecord, span: &Range<usize>) -> bool {
        let before = self.errors.len();
        for (at, name) in names.iter().enumerate() {
            if let Some(text) = unknown(name) {
                self.error(span.clone(), text);
            } else if names.iter().take(at).any(|earlier| earlier == name) {
                self.error(span.clone(), format!("two columns are called `{name}`"));
            }
        }
        if !names.iter().any(|name| name == "id") {
            let text = format!("the first line names the columns, `id` among {}", all_columns());
            self.error(span.clone(), text);
        }
        self.errors.len() == before
    }

    /// Returns the objects of a JSON list.
    fn json(&mut self, text: &'t str) -> Vec<Row> {
        let items = match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) => items,
            Err(cause) => {
                let line = text.split_inclusive('\n').take(cause.line().saturating_sub(1));
                let at = line.map(str::len).sum::<usize>() + cause.column().saturating_sub(1);
                self.error(at..at + 1, format!("not a JSON list of objects: {cause}"));
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

    fn object(&mut self, text: &'t str, span: Range<usize>) -> Option<Row> {
        if self.is_full() {
            return None;
        }
        let Ok(members) = serde_json::from_str::<BTreeMap<String, Value>>(text) else {
            self.error(span, "an account is an object: { \"id\": \"111122223333\", … }");
            return None;
        };
        let mut columns = Vec::new();
        for (name, value) in members {
            match (unknown(&name), value) {
                (Some(text), _) => self.error(span.clone(), text),
                (None, Value::String(text)) if text.trim().is_empty() => {}
                (None, Value::String(text)) => {
                    columns.push((name, text.trim().to_owned()));
                }
                (None, Value::Null) => {}
                (None, _) => self.error(span.clone(), format!("`{name}` must be a string")),
            }
        }
        Some(Row { span, columns })
    }

    /// Returns the account of a row, if it is valid.
    fn account(&mut self, row: &Row) -> Option<Account> {
        let mut account = Account::default();
        let before = self.errors.len();
        for (name, value) in &row.columns {
            if let Some(fault) = plain_text_fault(value) {
                self.error(row.span.clone(), format!("`{name}` {fault}"));
                continue;
            }
            let value = value.clone();
            match name.as_str() {
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
            self.error(row.span.clone(), text);
        }
        (self.errors.len() == before).then_some(account)
    }
}

/// Returns whether a field of a CSV record is never closed: the reader accepts that.
pub(crate) fn has_open_quote(record: &str) -> bool {
    record.matches('"').count() % 2 == 1
}

/// Returns the bytes of a row without line ends; empty lines before it are part of its record.
pub(crate) fn span_of(text: &str, row: &csv::StringRecord, end: &csv::Position) -> Range<usize> {
    let at = |position: &csv::Position| usize::try_from(position.byte()).unwrap_or(text.len());
    let (start, end) = (row.position().map_or(0, at), at(end).min(text.len()));
    let record = text[start..end].trim_end_matches(['\r', '\n']);
    let row = record.trim_start_matches(['\r', '\n', '\u{feff}']);
    start + record.len() - row.len()..start + record.len()
}

/// Returns what is wrong with a column that does not exist.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(location: &str, text: &str) -> String {
        Accounts::parse(location, text).expect_err("an error is expected").to_string()
    }

    #[test]
    fn a_table_is_read_from_csv_and_from_json() {
        let csv = "id,environment,name,ou,owner\n\
                   111122223333,production,shop,Workloads/Prod,team-shop@example.com\r\n\
                   \n\"012345678901\",,\"Logs, central\",,\n";
        let json = r#"[
            { "id": "111122223333", "name": "shop", "ou": "Workloads/Prod", "owner": "team-shop@example.com", "environment": "production" },
            { "id": "012345678901", "name": "Logs, central", "owner": null, "ou": "" }
        ]"#;
        let accounts = Accounts::parse("accounts.csv", csv).expect("a table");
        assert_eq!(accounts, Accounts::parse("s3://b/accounts.JSON", json).expect("a table"));
        let shop = accounts.get("111122223333").expect("an account");
        assert_eq!(
            (shop.label("environment"), shop.label("owner")),
            (Some("production"), Some("team-shop@example.com"))
        );
        assert_eq!((shop.name.as_deref(), shop.label("ou")), (Some("shop"), None));
        let logs = accounts.get("012345678901").expect("an account");
        assert_eq!((logs.name.as_deref(), logs.ou.as_deref()), (Some("Logs, central"), None));
        assert_eq!(
            (accounts.len(), accounts.is_empty(), format!("{accounts:?}")),
            (2, false, "2 accounts".to_owned())
        );
    }

    #[test]
    fn every_invalid_row_is_reported_with_its_line() {
        let text = errors(
            "accounts.csv",
            "id,name\n111122223333,shop\n11112222333,short\n111122223333,again\n444455556666\n999988887777,\"a\u{1b}b\"\n",
        );
        insta::assert_snapshot!(text, @r#"
        accounts.csv:3:1: error: `id` is an account's 12 digits; spreadsheets cut leading zeros, so format the column as text
           |
         3 | 11112222333,short
           | ^^^^^^^^^^^^^^^^^

        accounts.csv:4:1: error: an earlier row is of this account
           |
         4 | 111122223333,again
           | ^^^^^^^^^^^^^^^^^^

        accounts.csv:5:1: error: the header has 2 fields, this row 1
           |
         5 | 444455556666
           | ^^^^^^^^^^^^

        accounts.csv:6:1: error: `name` must not have control characters
           |
         6 | 999988887777,"a b"
           | ^^^^^^^^^^^^^^^^^^

        accounts.csv: 4 errors
        "#);
    }

    #[test]
    fn an_invalid_header_is_reported_once() {
        insta::assert_snapshot!(errors("accounts.csv", "id,Name,enviroment\n1,2,3\n"), @r#"
        accounts.csv:1:1: error: unknown column `Name`; there are id, name, ou, owner, environment; did you mean `name`?
           |
         1 | id,Name,enviroment
           | ^^^^^^^^^^^^^^^^^^

        accounts.csv:1:1: error: unknown column `enviroment`; there are id, name, ou, owner, environment; did you mean `environment`?
           |
         1 | id,Name,enviroment
           | ^^^^^^^^^^^^^^^^^^

        accounts.csv: 2 errors
        "#);
        insta::assert_snapshot!(errors("accounts.csv", "111122223333,shop\n"), @r#"
        accounts.csv:1:1: error: unknown column `111122223333`; there are id, name, ou, owner, environment
           |
         1 | 111122223333,shop
           | ^^^^^^^^^^^^^^^^^

        accounts.csv:1:1: error: unknown column `shop`; there are id, name, ou, owner, environment
           |
         1 | 111122223333,shop
           | ^^^^^^^^^^^^^^^^^

        accounts.csv:1:1: error: the first line names the columns, `id` among id, name, ou, owner, environment
           |
         1 | 111122223333,shop
           | ^^^^^^^^^^^^^^^^^

        accounts.csv: 3 errors
        "#);
        for (location, table, part) in [
            ("accounts.csv", "", "the accounts table is empty"),
            ("accounts.csv", "id\n", "the accounts table is empty"),
            ("accounts.csv", "id,id\n", "two columns are called `id`"),
            ("accounts.csv", "id,name\n\"1", "accounts.csv:2:1: error: not CSV"),
            ("accounts.csv", "id,name\n\n111122223333,\"x", "accounts.csv:3:1: error: not CSV"),
            ("accounts.json", "[]", "the accounts table is empty"),
            ("accounts.json", "{}", "not a JSON list of objects"),
            ("accounts.json", "[\n7]", "accounts.json:2:1: error: an account is an object"),
            ("accounts.json", "[\n{\"id\": 7}]", "`id` must be a string"),
            (
                "accounts.json",
                "[{\"id\": \"111122223333\", \"Owner\": \"x\"}]",
                "did you mean `owner`?",
            ),
            ("accounts.json", "[{\"id\": \"111122223333\"},", "not a JSON list"),
        ] {
            let text = errors(location, table);
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }

    #[test]
    fn errors_are_limited() {
        let text = format!("id\n{}", "x\n".repeat(100_000));
        let found = errors("accounts.csv", &text);
        assert!(found.ends_with("accounts.csv: 50 errors"), "{}", found.len());
        let text = format!("id,name\n{}", "x\n".repeat(100_000));
        assert!(errors("accounts.csv", &text).ends_with("accounts.csv: 50 errors"));
        let text = format!("[7{}]", ",7".repeat(100_000));
        assert!(errors("accounts.json", &text).ends_with("accounts.json: 50 errors"));
    }
}
