//! English.

use super::{Causes, Labels, Told, Words};

pub(super) const WORDS: Words = Words {
    tag: "en",
    right_to_left: false,
    detected: Told {
        title: "Threat blocked",
        text: "This content was scanned and found to be dangerous. It was not delivered.",
    },
    macros: Told {
        title: "Document with macros blocked",
        text: "This document contains macros: small programs that run when it is opened. They are not \
             allowed here, so it was not delivered.",
    },
    phishing: Told {
        title: "Deceptive content blocked",
        text: "This content pretends to be something that it is not, often to get hold of passwords or \
             money. It was not delivered.",
    },
    not_scanned: Told {
        title: "Blocked: could not be checked",
        text: "This content could not be checked for threats completely, so it was not delivered.",
    },
    failed: Told {
        title: "Blocked: check not completed",
        text: "The check for threats did not come to an end, so this content was not delivered. Trying \
             again later may help.",
    },
    refused: Told {
        title: "Not allowed",
        text: "The rules of this network do not allow this content. It was not delivered.",
    },
    causes: Causes {
        size: "It is larger than what is checked here.",
        skipped: "It was left out of the check by a rule.",
        excluded: "Content of this kind or from this place is not checked here.",
        unsupported: "Its format cannot be opened for a check.",
        encrypted: "It is encrypted, so that nobody without the key can look inside.",
        partial_content: "It is a piece of something larger that cannot be judged alone.",
        depth: "It holds archives within archives, nested deeper than is checked.",
        count: "It holds more files than are checked.",
        ratio: "It unpacks to far more data than is reasonable.",
        malformed: "It is damaged, or built so that programs disagree about what it holds.",
        time: "The check took longer than it may.",
        temp_space: "The scanner had no room for temporary files.",
        engine_error: "The scanner reported an error.",
        crash: "The scanner stopped while it looked at this content.",
        memory: "The scanner ran out of memory.",
        no_scanner: "No scanner could be reached.",
        reputation: "What is known of the address could not be asked.",
    },
    labels: Labels {
        url: "Address",
        threat: "Found",
        reason: "Reason",
        user: "User",
        client: "Client",
        service: "Service",
        time: "Time",
        transaction: "Reference",
    },
    mistake: [
        "If you think that this is a mistake, tell your administrator and name the reference above.",
        "If you think that this is a mistake, tell your administrator.",
    ],
};
