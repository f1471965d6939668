//! The ICAP fields that tell clients of a threat.

use icapstan_api::DetectionHeaders;
use icapstan_model::{ThreatName, Verdict, VerdictKind};
use std::time::SystemTime;

/// What an answer says of one threat. Names of threats hold no character that separates.
pub(crate) struct Detection<'a> {
    headers: &'a DetectionHeaders,
    threat: &'a str,
    infection: String,
    database_time: Option<String>,
    description: Option<&'static str>,
    violations: Option<String>,
}

// === impl Detection ===

impl<'a> Detection<'a> {
    /// `None` if the verdict is about no threat. `url` is where it was found, `released` when the
    /// signatures that found it were made.
    pub(crate) fn of(
        verdict: &'a Verdict,
        url: &str,
        released: Option<SystemTime>,
        headers: &'a DetectionHeaders,
    ) -> Option<Self> {
        let threat = verdict.threat().map(ThreatName::as_str)?;
        Some(Self {
            headers,
            threat,
            infection: format!("Type=0; Resolution=2; Threat={threat};"),
            database_time: released.filter(|_| headers.database_time.is_some()).map(httpdate::fmt_http_date),
            description: headers.description.then(|| describe(verdict.kind())),
            // The folded lines of the usual form, unfolded: a count, and for each a file, what was found in
            // it, the number of the problem and what was done (2: blocked).
            violations: headers.violations.then(|| format!("1 {} {threat} 0 2", file(url))),
        })
    }

    /// Names and values.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let always =
            [("X-Infection-Found", self.infection.as_str()), (self.headers.threat.as_str(), self.threat)];
        let time = self.headers.database_time.as_deref().zip(self.database_time.as_deref());
        let description = self.description.map(|text| ("X-Response-Desc", text));
        let violations = self.violations.as_deref().map(|text| ("X-Violations-Found", text));
        always.into_iter().chain(time).chain(description).chain(violations)
    }
}

/// The names of these fields.
pub(crate) fn names(headers: &DetectionHeaders) -> String {
    let mut names = vec!["X-Infection-Found", headers.threat.as_str()];
    names.extend(headers.database_time.as_deref());
    names.extend(headers.description.then_some("X-Response-Desc"));
    names.extend(headers.violations.then_some("X-Violations-Found"));
    names.join(", ")
}

fn describe(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::Phishing => "Phishing detected",
        VerdictKind::Macro => "Macro detected",
        _ => "Malware detected",
    }
}

/// The last part of a URL's path, without what could be taken for something else; `-` if there is none.
fn file(url: &str) -> String {
    const MAX: usize = 128;
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let name = path.split_once('/').map_or("", |(_, path)| path.rsplit('/').next().unwrap_or_default());
    let safe: String = name
        .chars()
        .take(MAX)
        .map(|c| if c.is_ascii_graphic() && !";,\"<>".contains(c) { c } else { '_' })
        .collect();
    if safe.is_empty() { "-".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn each_field_tells_of_the_threat_and_no_more_than_is_set() {
        let all = DetectionHeaders {
            threat: "X-Threat".to_owned(),
            database_time: Some("X-Time".to_owned()),
            description: true,
            violations: true,
        };
        let verdict = Verdict::Infected("Eicar".into());
        let detection =
            Detection::of(&verdict, "http://o.test/a/b c.exe?d=e/f", Some(UNIX_EPOCH), &all).unwrap();
        let fields: Vec<_> = detection.fields().collect();
        assert_eq!(
            fields,
            [
                ("X-Infection-Found", "Type=0; Resolution=2; Threat=Eicar;"),
                ("X-Threat", "Eicar"),
                ("X-Time", "Thu, 01 Jan 1970 00:00:00 GMT"),
                ("X-Response-Desc", "Malware detected"),
                ("X-Violations-Found", "1 b_c.exe Eicar 0 2"),
            ]
        );
        assert_eq!(names(&all), "X-Infection-Found, X-Threat, X-Time, X-Response-Desc, X-Violations-Found");
        let few = DetectionHeaders::default();
        let detection = Detection::of(&verdict, "", None, &few).unwrap();
        let fields: Vec<_> = detection.fields().map(|field| field.0).collect();
        assert_eq!(fields.join(", "), names(&few));
        assert!(Detection::of(&Verdict::Clean, "", None, &few).is_none());
    }

    proptest! {
        #[test]
        fn a_url_adds_no_words(url in ".{0,300}") {
            let name = file(&url);
            prop_assert!(!name.is_empty() && name.len() <= 128);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
