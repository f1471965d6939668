//! The section `UpdateSettings`.

use crate::document::Section;
use crate::draft::Draft;

/// All of it has another place: freshclam's settings, or whatever fills the folder of signatures.
const KNOWN: [(&str, &str); 7] = [
    ("DisableBackup", "icapstan keeps the signatures in use until newer ones are loaded and tested"),
    (
        "UpdatePeriodMinutes",
        "set how often freshclam looks (Checks in freshclam.conf); icapstan watches the folder",
    ),
    ("UseOnlyCustomSources", "set DatabaseMirror or PrivateMirror in freshclam.conf"),
    ("UpdateSources", "set DatabaseMirror, PrivateMirror or DatabaseCustomURL in freshclam.conf"),
    ("UpdatesCertFile", "freshclam checks the databases' own signatures"),
    ("CertificateConfirmationAction", "freshclam checks the databases' own signatures"),
    ("UseReducedBases", "choose the databases in freshclam.conf, or what lies in `signatures`"),
];

pub(crate) fn import(mut section: Section<'_>, draft: &mut Draft) {
    for (name, message) in KNOWN {
        let Some(element) = section.take(name, draft) else { continue };
        // A list of sources is told one by one.
        let mut inner = element.section();
        let sources = inner.take_those(|_| name == "UpdateSources");
        element.has_only_attributes(&[], draft);
        if sources.is_empty() {
            draft.dropped(&element.path, &element.text(), message);
        }
        for source in sources {
            source.has_only(&[], draft);
            draft.dropped(&source.path, &source.text(), message);
        }
        inner.finish(draft);
    }
    section.finish(draft);
}
