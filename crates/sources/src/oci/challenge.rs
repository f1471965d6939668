//! What a registry wants to hear first.

/// What `WWW-Authenticate` asks for (RFC 9110 section 11.6.1; the token protocol of registries).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A name and a password.
    Basic,
    /// A token, which somebody else gives.
    Bearer {
        /// The URL of who gives it.
        realm: String,
        /// For whom it is.
        service: Option<String>,
        /// For what it is.
        scope: Option<String>,
    },
}

// === impl Challenge ===

impl Challenge {
    /// Reads one, if it is one of these. Of several the first counts.
    pub fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once(' ').unwrap_or_else(|| (value.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        let mut rest = rest;
        while let Some((name, value, others)) = parameter(rest) {
            let place = match name.to_ascii_lowercase().as_str() {
                "realm" => Some(&mut realm),
                "service" => Some(&mut service),
                "scope" => Some(&mut scope),
                _ => None,
            };
            if let Some(place) = place {
                place.get_or_insert(value);
            }
            rest = others;
        }
        Some(Self::Bearer { realm: realm?, service, scope })
    }
}

/// The first parameter, and what is behind it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.trim_start_matches([' ', ',']).split_once('=')?;
    let Some(quoted) = rest.strip_prefix('"') else {
        let (value, others) = rest.split_once(',').unwrap_or((rest, ""));
        return Some((name.trim(), value.trim().to_owned(), others));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((name.trim(), value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_of_registries_are_read() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let owned = |text: &str| text.to_owned();
            Some(Challenge::Bearer {
                realm: owned(realm),
                service: service.map(owned),
                scope: scope.map(owned),
            })
        };
        assert_eq!(Challenge::parse("Basic realm=\"r\""), Some(Challenge::Basic));
        assert_eq!(
            Challenge::parse(
                "Bearer realm=\"https://ghcr.io/token\",service=\"ghcr.io\",scope=\"repository:a/b:pull,push\""
            ),
            bearer("https://ghcr.io/token", Some("ghcr.io"), Some("repository:a/b:pull,push"))
        );
        assert_eq!(
            Challenge::parse("bearer  x=y, Realm=\"a\\\"b\" , scope=c"),
            bearer("a\"b", None, Some("c"))
        );
        for wrong in
            ["", "Digest realm=\"a\"", "Bearer", "Bearer service=\"a\"", "Bearer realm=\"a", "Bearer é"]
        {
            assert_eq!(Challenge::parse(wrong), None, "{wrong}");
        }
    }
}
