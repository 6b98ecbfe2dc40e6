//! `config/*.toml` and the reader, held to each other.
use certrelay::config;
use std::path::Path;
#[test]
fn both_shipped_configurations_parse() {
    for name in ["local.toml", "certrelay.toml"] {
        let text = std::fs::read_to_string(Path::new("config").join(name)).unwrap();
        match config::parse_with(name, &text, Path::new("config"), &|_| Some("x".into())) {
            Ok(config) => println!("{}{:?}", config.summary(), config.warnings),
            Err(e) => panic!("{e}"),
        }
    }
}
