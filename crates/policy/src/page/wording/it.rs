//! Italian.

use super::{Causes, Labels, Told, Words};

pub(super) const WORDS: Words = Words {
    tag: "it",
    right_to_left: false,
    detected: Told {
        title: "Minaccia bloccata",
        text: "Questo contenuto è stato analizzato ed è risultato pericoloso. Non è stato consegnato.",
    },
    macros: Told {
        title: "Documento con macro bloccato",
        text: "Questo documento contiene macro: piccoli programmi che vengono eseguiti quando lo si \
             apre. Qui non sono consentite, quindi non è stato consegnato.",
    },
    phishing: Told {
        title: "Contenuto ingannevole bloccato",
        text: "Questo contenuto si spaccia per ciò che non è, spesso per ottenere password o denaro. \
             Non è stato consegnato.",
    },
    not_scanned: Told {
        title: "Bloccato: controllo impossibile",
        text: "Non è stato possibile controllare del tutto questo contenuto, quindi non è stato \
             consegnato.",
    },
    failed: Told {
        title: "Bloccato: controllo non completato",
        text: "La ricerca di minacce non è giunta al termine, quindi questo contenuto non è stato \
             consegnato. Riprovare più tardi può servire.",
    },
    refused: Told {
        title: "Non consentito",
        text: "Le regole di questa rete non consentono questo contenuto. Non è stato consegnato.",
    },
    causes: Causes {
        size: "È più grande di ciò che qui viene controllato.",
        skipped: "Una regola lo ha escluso dal controllo.",
        excluded: "I contenuti di questo tipo o di questa origine qui non vengono controllati.",
        unsupported: "Il suo formato non può essere aperto per un controllo.",
        encrypted: "È cifrato: senza la chiave nessuno può guardarci dentro.",
        partial_content: "È una parte di qualcosa di più grande e non può essere valutato da solo.",
        depth: "Contiene archivi dentro altri archivi, a una profondità maggiore di quella controllata.",
        count: "Contiene più file di quanti ne vengano controllati.",
        ratio: "Una volta decompresso produce molti più dati di quanto sia ragionevole.",
        malformed: "È danneggiato, oppure costruito in modo che i programmi non concordino sul suo \
             contenuto.",
        time: "Il controllo è durato più del consentito.",
        temp_space: "Lo scanner non aveva spazio per i file temporanei.",
        engine_error: "Lo scanner ha segnalato un errore.",
        crash: "Lo scanner si è interrotto mentre esaminava questo contenuto.",
        memory: "Lo scanner ha esaurito la memoria.",
        no_scanner: "Nessuno scanner era raggiungibile.",
        reputation: "Non è stato possibile verificare la reputazione dell’indirizzo.",
    },
    labels: Labels {
        url: "Indirizzo",
        threat: "Rilevato",
        reason: "Motivo",
        user: "Utente",
        client: "Client",
        service: "Servizio",
        time: "Data",
        transaction: "Riferimento",
    },
    mistake: [
        "Se pensi che sia un errore, avvisa il tuo amministratore e indica il riferimento qui sopra.",
        "Se pensi che sia un errore, avvisa il tuo amministratore.",
    ],
};
