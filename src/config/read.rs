//! Walks the spanned TOML tree.
