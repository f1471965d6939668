//! The configuration file.

use icapstan_api::{ByteSize, Config, Machine};
use icapstan_policy::Policy;

/// Reads a configuration.
///
/// - A text is a configuration or an error whose message is short, printable, and names the file.
/// - What was read can be written, and reads as the same.
/// - Every policy of a configuration can be used, and every service finds the one that it names.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = match Config::parse(text, "f.yaml") {
        Ok(config) => config,
        Err(error) => {
            let message = error.to_string();
            assert!(
                message.lines().all(|line| line.starts_with("f.yaml") && line.len() <= 8192),
                "{message}"
            );
            assert!(!message.chars().any(|c| c.is_control() && c != '\n'), "{message:?}");
            return;
        }
    };
    let written = serde_yaml::to_string(&config).expect("a configuration can be written");
    let again = Config::parse(&written, "again").unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(again, config);
    for policy in &config.policies {
        Policy::compile(policy).expect("was checked");
    }
    for service in &config.services {
        assert!(config.policy(&service.policy).is_some());
        assert!(service.paths().all(|path| path.starts_with('/')));
    }
    if let Ok(sizing) = config.sizing(&Machine { cpus: 2, memory: Some(ByteSize::gib(4)) }) {
        let _ = config.advice(&sizing);
    }
}
