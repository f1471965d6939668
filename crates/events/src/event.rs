//! What happened, in small values of its own.

use crate::kind::{EventKind, Severity};
use crate::text::Text;
use icapstan_model::{GenerationId, IsTag, Mode, Reason, Sha256, ThreatName, VerdictKind};
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

/// One event. All of it is bounded and inert, whoever it came from. What is `None` or empty is left out
/// of records.
///
/// ```
/// use icapstan_events::{Event, EventAction, EventKind, Text};
///
/// let mut event = Event::new(EventKind::Block, Text::message("The URL is on a list."));
/// event.url = Some(Text::url("http://bad.test/x"));
/// event.action = Some(EventAction::Block);
/// assert_eq!(event.severity().as_str(), "warning");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub time: SystemTime,
    /// What happened, for people.
    pub message: Text,
    /// The number of the transaction, shown as 16 hexadecimal digits as in the log.
    pub transaction: Option<u64>,
    /// The trace that it belongs to, if it does to one.
    pub trace: Option<[u8; 16]>,
    /// The service's id.
    pub service: Option<Text>,
    /// Which way the object travelled.
    pub mode: Option<Mode>,
    /// The strongest verdict.
    pub verdict: Option<VerdictKind>,
    /// Why the verdict is no statement about the content.
    pub reason: Option<Reason>,
    /// The cause, of what is told by its number.
    pub cause: Option<Text>,
    /// How many times it happened since this was told last, of what is told by its number.
    pub count: Option<u64>,
    /// What was found.
    pub threats: Few<ThreatName>,
    /// What was done about it.
    pub action: Option<EventAction>,
    /// What decided so.
    pub rule: Option<Text>,
    /// What the message is about.
    pub url: Option<Text>,
    /// The user's machine, as the ICAP client says.
    pub client: Option<IpAddr>,
    /// The ICAP client, or for other kinds of events whoever caused them.
    pub peer: Option<SocketAddr>,
    /// The user, as the ICAP client says.
    pub user: Option<Text>,
    /// The user's groups, as the ICAP client says.
    pub groups: Few<Text>,
    /// The HTTP method.
    pub method: Option<Text>,
    /// The HTTP status of the response that was looked at.
    pub status: Option<u16>,
    /// The size of the object in bytes.
    pub size: Option<u64>,
    /// The content of the object.
    pub sha256: Option<Sha256>,
    /// What the object is called in the quarantine, if it was taken there.
    pub quarantine: Option<Text>,
    /// The list that a URL or a digest is on.
    pub list: Option<Text>,
    /// The category that the list gives.
    pub category: Option<Text>,
    /// The signatures that decided.
    pub signatures: Option<GenerationId>,
    /// The tag that the answer carried.
    pub istag: Option<IsTag>,
}

/// What was done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventAction {
    /// It went on.
    Pass,
    /// A page went out in its place.
    Block,
    /// The client was sent elsewhere.
    Redirect,
    /// Its transfer was broken off.
    Abort,
}

/// The first of several, and whether there were more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<T> {
    first: Vec<T>,
    has_more: bool,
}

// === impl Event ===

impl Event {
    /// An event of now, of which nothing else is known.
    pub fn new(kind: EventKind, message: Text) -> Self {
        Self {
            kind,
            time: SystemTime::now(),
            message,
            transaction: None,
            trace: None,
            service: None,
            mode: None,
            verdict: None,
            reason: None,
            cause: None,
            count: None,
            threats: Few::default(),
            action: None,
            rule: None,
            url: None,
            client: None,
            peer: None,
            user: None,
            groups: Few::default(),
            method: None,
            status: None,
            size: None,
            sha256: None,
            quarantine: None,
            list: None,
            category: None,
            signatures: None,
            istag: None,
        }
    }

    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let texts = [
            &self.service,
            &self.cause,
            &self.rule,
            &self.url,
            &self.user,
            &self.method,
            &self.quarantine,
            &self.list,
            &self.category,
        ];
        let texts = texts.into_iter().flatten().chain([&self.message]).chain(self.groups.iter());
        let threats = self.threats.iter().map(|name| size_of::<ThreatName>() + name.as_str().len());
        size_of::<Self>()
            + texts.map(|text| size_of::<Text>() + text.as_str().len()).sum::<usize>()
            + threats.sum::<usize>()
    }
}

// === impl EventAction ===

impl EventAction {
    /// The word in every format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Block => "block",
            Self::Redirect => "redirect",
            Self::Abort => "abort",
        }
    }
}

// === impl Few ===

impl<T> Few<T> {
    /// How many are kept.
    pub const MAX: usize = 16;

    /// Those that are kept.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter()
    }

    /// Whether some are not kept.
    pub const fn has_more(&self) -> bool {
        self.has_more
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: Vec::new(), has_more: false }
    }
}

impl<T> FromIterator<T> for Few<T> {
    /// Looks at no more than one beyond those that are kept.
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut all = all.into_iter();
        let first = all.by_ref().take(Self::MAX).collect();
        Self { first, has_more: all.next().is_some() }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use icapstan_model::NonScannedReason;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// One with every field, each filled from `raw` as far as peers can choose it.
    pub(crate) fn filled(kind: EventKind, raw: &[u8]) -> Event {
        Event {
            kind,
            time: UNIX_EPOCH + Duration::from_micros(1_709_210_096_000_042),
            message: Text::message(raw),
            transaction: Some(0xab),
            trace: Some([0xab; 16]),
            service: Some(Text::name(raw)),
            mode: Some(Mode::Respmod),
            verdict: Some(VerdictKind::Detect),
            reason: Some(Reason::NonScanned(NonScannedReason::PartialContent)),
            cause: Some(Text::name(raw)),
            count: Some(u64::MAX),
            threats: std::iter::repeat_n(ThreatName::new(raw), Few::<ThreatName>::MAX + 1).collect(),
            action: Some(EventAction::Redirect),
            rule: Some(Text::name(raw)),
            url: Some(Text::url(raw)),
            client: Some("2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap()),
            peer: Some("[2001:db8:1111:2222:3333:4444:5555:6666]:65535".parse().unwrap()),
            user: Some(Text::name(raw)),
            groups: std::iter::repeat_n(Text::name(raw), Few::<Text>::MAX + 1).collect(),
            method: Some(Text::name(raw)),
            status: Some(599),
            size: Some(u64::MAX),
            sha256: Some(Sha256([0xab; 32])),
            quarantine: Some(Text::name(raw)),
            list: Some(Text::name(raw)),
            category: Some(Text::name(raw)),
            signatures: Some(GenerationId([0xcd; 32])),
            istag: Some(IsTag::new(&"Z".repeat(32)).unwrap()),
        }
    }

    /// One as it often is.
    pub(crate) fn usual() -> Event {
        Event {
            message: Text::message("An object was not found clean."),
            trace: None,
            service: Some("respmod".into()),
            reason: None,
            cause: None,
            count: None,
            threats: [ThreatName::from("Eicar-Test-Signature")].into_iter().collect(),
            action: Some(EventAction::Block),
            rule: Some("default".into()),
            url: Some(Text::url("http://o.test/dir/a.zip?q=1&r=2")),
            client: Some("192.0.2.7".parse().unwrap()),
            peer: Some("127.0.0.1:50000".parse().unwrap()),
            user: Some("CORP\\ann".into()),
            groups: ["staff".into(), "sales, north".into()].into_iter().collect(),
            method: Some("GET".into()),
            status: Some(200),
            size: Some(184),
            quarantine: None,
            list: None,
            category: None,
            istag: Some(IsTag::new("ICS-1").unwrap()),
            ..filled(EventKind::Detection, b"")
        }
    }

    /// What peers may send: any bytes, and those that mean something somewhere.
    pub(crate) fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "\\PC{0,20}".prop_map(String::into_bytes),
            proptest::sample::select(vec![
                "\r\n",
                "\n<13>1 - - - - - - x",
                "|",
                "\\",
                "=",
                "\"",
                "]",
                "[x@1 a=\"b\"]",
                "\\n",
                " act=pass",
                "CEF:0|a|b|",
                "\u{1b}]0;x\u{7}",
                "\u{202e}",
                "\u{2028}",
                "\u{feff}",
                "\0",
                "</script><b onload=\"x\">",
                "%0d%0a",
                "\u{1f600}",
                "http://a:b@c/",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ];
        let pieces = proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
        (pieces, proptest::option::weighted(0.1, 1usize..2000)).prop_map(|(raw, repeat)| {
            repeat.map_or_else(|| raw.clone(), |times| raw.repeat(times.min(100_000 / raw.len().max(1))))
        })
    }

    #[test]
    fn only_the_first_of_many_are_kept_and_no_more_are_looked_at() {
        let few: Few<u32> = (0..).collect();
        assert_eq!(few.iter().copied().collect::<Vec<_>>(), (0..16).collect::<Vec<_>>());
        assert!(few.has_more());
        let few: Few<u32> = (0..16).collect();
        assert!(!few.has_more() && few.iter().count() == 16);
    }

    #[test]
    fn whatever_peers_send_an_event_stays_small() {
        let event = filled(EventKind::Detection, &vec![0xff; 200_000]);
        assert!(event.weight() < 16 * 1024, "{}", event.weight());
        assert!(event.weight() > 16 * 256);
    }
}
