//! "Did you mean": the nearest known name to a misspelt one.

use strsim::damerau_levenshtein;

/// `; did you mean `x`?`, or nothing where no known name is near.
pub(super) fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// The known name that fewest slips of the finger make of `name`; at most one slip in three letters.
pub(super) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(slips, candidate)| *slips <= (candidate.len() / 3).max(1))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_does_not() {
        let known = ["drain", "ledger", "work"];
        assert_eq!(nearest("drian", known), Some("drain"));
        assert_eq!(nearest("Ledgr", known), Some("ledger"));
        assert_eq!(nearest("bucket", known), None);
        assert_eq!(did_you_mean("wrk", known), "; did you mean `work`?");
        assert_eq!(did_you_mean("zzz", known), "");
    }
}
