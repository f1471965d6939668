//! Names in certificates, which rules and logs know clients by.

use icapstan_model::is_deceptive;
use icapstan_tls::Names;
use std::collections::HashSet;

/// Reads a certificate.
///
/// - Names are few, short, inert, of a known kind each, and none stands there twice.
/// - The one for logs is one of them.
pub fn certificate(data: &[u8]) {
    let Ok((names, _)) = Names::read(data) else { return };
    let all = names.all();
    assert!(all.len() <= Names::MOST);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    for name in all {
        // What is taken for a deceptive character takes three bytes.
        assert!(name.len() <= 3 * Names::MAX_LEN && !name.chars().any(is_deceptive), "{name:?}");
        let kind = name.split(':').next();
        assert!(kind.is_some_and(|kind| ["cn", "dns", "uri", "email", "ip"].contains(&kind)), "{name:?}");
    }
    assert!(all.is_empty() && names.first().is_empty() || all.iter().any(|name| **name == *names.first()));
}
