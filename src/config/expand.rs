//! `${NAME}` and `${NAME:-default}` in string values. Expanded after parsing, so that no value can
//! change the structure; `$$` is a dollar sign.

/// Looks up an environment variable: the real one, or a test's.
pub type Lookup<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Replaces every `${…}` in `text`.
///
/// # Errors
/// A sentence that names the variable that is not set, or what is wrong with the expression; never
/// a value.
pub(super) fn expand(text: &str, env: Lookup<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let Some(end) = after.find('}') else {
                return Err("`${` has no closing `}`; a dollar sign is written `$$`".to_owned());
            };
            out.push_str(&variable(&after[..end], env)?);
            rest = &after[end + 1..];
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of `NAME` or `NAME:-default`. As in a shell, `:-` also replaces an empty value.
fn variable(expression: &str, env: Lookup<'_>) -> Result<String, String> {
    let (name, default) = match expression.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (expression, None),
    };
    if !is_variable_name(name) {
        return Err("what stands between `${` and `}` is not a variable's name; \
                    write `${NAME}` or `${NAME:-default}`"
            .to_owned());
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "environment variable {name} is not set; set it, or write `${{{name}:-default}}`"
        )),
    }
}

/// Letters, digits and `_`, not starting with a digit: what a shell can set.
pub(super) fn is_variable_name(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_alice(text: &str) -> Result<String, String> {
        expand(text, &|name| match name {
            "USER" => Some("alice".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_defaults_and_dollars_are_replaced() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${USER}", "alice"),
            ("a-${USER}-${USER}", "a-alice-alice"),
            ("${NOBODY:-bob}", "bob"),
            ("${USER:-bob}", "alice"),
            ("${EMPTY:-bob}", "bob"),
            ("${EMPTY}", ""),
            ("${NOBODY:-}", ""),
            ("$${USER} costs $5 $", "${USER} costs $5 $"),
        ] {
            assert_eq!(with_alice(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_unset_variable_is_named() {
        let text = with_alice("x${NOBODY}").unwrap_err();
        assert!(text.contains("NOBODY is not set"), "{text}");
    }

    #[test]
    fn a_broken_expression_is_refused_without_its_text() {
        for text in ["${USER", "${}", "${1A}", "${a-b}"] {
            let problem = with_alice(text).unwrap_err();
            assert!(!problem.contains("a-b") && !problem.contains("1A"), "{problem}");
        }
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        let text = expand("${A}", &|_| Some("${B}".to_owned()));
        assert_eq!(text.as_deref(), Ok("${B}"));
    }
}
