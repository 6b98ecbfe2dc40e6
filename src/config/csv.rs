//! Comma-separated values (RFC 4180), as spreadsheets and AWS write them, with the place of every
//! row: a table of a thousand accounts is corrected by line.

use std::borrow::Cow;
use std::ops::Range;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'t> {
    /// Its bytes in the text, without the line end.
    pub span: Range<usize>,
    /// Its fields, unquoted.
    pub fields: Vec<Cow<'t, str>>,
}

/// Where a text stops being CSV, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Fault {
    /// The byte.
    pub at: usize,
    /// What is wrong there.
    pub text: &'static str,
}

/// The rows of `text`; empty lines and a byte order mark are passed over. A fault ends them.
#[must_use]
pub fn rows(text: &str) -> Rows<'_> {
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    Rows { text, at }
}

/// See [`rows`].
#[derive(Debug, Clone)]
pub struct Rows<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Rows<'t> {
    type Item = Result<Row<'t>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.rest().starts_with(['\r', '\n']) {
            self.at += 1;
        }
        if self.rest().is_empty() {
            return None;
        }
        let start = self.at;
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok(field) => fields.push(field),
                Err(text) => {
                    let at = self.at;
                    self.at = self.text.len();
                    return Some(Err(Fault { at, text }));
                }
            }
            if !self.rest().starts_with(',') {
                return Some(Ok(Row { span: start..self.at, fields }));
            }
            self.at += 1;
        }
    }
}

impl<'t> Rows<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// One field; what follows it is a comma, a line end or nothing.
    fn field(&mut self) -> Result<Cow<'t, str>, &'static str> {
        let rest = self.rest();
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find([',', '\r', '\n']).unwrap_or(rest.len());
            self.at += end;
            return Ok(Cow::Borrowed(&rest[..end]));
        };
        let mut length = 0;
        loop {
            let Some(quote) = quoted[length..].find('"') else {
                return Err("a quotation mark that is never closed");
            };
            length += quote;
            if !quoted[length + 1..].starts_with('"') {
                break;
            }
            length += 2;
        }
        self.at += length + 2;
        if !self.rest().is_empty() && !self.rest().starts_with([',', '\r', '\n']) {
            return Err("text behind a closing quotation mark");
        }
        let text = &quoted[..length];
        Ok(match text.contains('"') {
            true => Cow::Owned(text.replace("\"\"", "\"")),
            false => Cow::Borrowed(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        let rows = rows(text).map(|row| row.expect("a row").fields);
        rows.map(|fields| fields.iter().map(ToString::to_string).collect()).collect()
    }

    #[test]
    fn fields_are_split_and_unquoted() {
        assert_eq!(
            read("a,b\r\n1,\n\n\"x,\"\"y\"\"\n\",2"),
            [["a", "b"], ["1", ""], ["x,\"y\"\n", "2"]]
        );
        assert_eq!(read("\u{feff}id\n7"), [["id"], ["7"]]);
        assert_eq!(read("\r\n"), Vec::<Vec<String>>::new());
        assert_eq!(read("é,\"ü\""), [["é", "ü"]]);
    }

    #[test]
    fn a_row_knows_its_place() {
        let text = "a,b\n\"c\nd\",e\r\nf\n";
        let spans: Vec<&str> = rows(text).map(|row| &text[row.expect("a row").span]).collect();
        assert_eq!(spans, ["a,b", "\"c\nd\",e", "f"]);
    }

    #[test]
    fn a_fault_is_named_and_ends_the_rows() {
        for (text, fault) in [("a\n\"b", "never closed"), ("\"a\"b,c\nd", "behind a closing")] {
            let mut rows = rows(text).skip_while(Result::is_ok);
            let said = rows.next().and_then(Result::err).expect("a fault");
            assert!(said.text.contains(fault), "{said}");
            assert!(rows.next().is_none());
        }
    }
}
