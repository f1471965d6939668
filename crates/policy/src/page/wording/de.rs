//! German.

use super::{Causes, Labels, Told, Words};

pub(super) const WORDS: Words = Words {
    tag: "de",
    right_to_left: false,
    detected: Told {
        title: "Bedrohung blockiert",
        text: "Dieser Inhalt wurde geprüft und als gefährlich erkannt. Er wurde nicht ausgeliefert.",
    },
    macros: Told {
        title: "Dokument mit Makros blockiert",
        text: "Dieses Dokument enthält Makros: kleine Programme, die beim Öffnen ausgeführt werden. Sie \
             sind hier nicht erlaubt, deshalb wurde es nicht ausgeliefert.",
    },
    phishing: Told {
        title: "Betrügerischer Inhalt blockiert",
        text: "Dieser Inhalt gibt sich für etwas aus, das er nicht ist, oft um an Passwörter oder Geld \
             zu kommen. Er wurde nicht ausgeliefert.",
    },
    not_scanned: Told {
        title: "Blockiert: nicht prüfbar",
        text: "Dieser Inhalt konnte nicht vollständig auf Bedrohungen geprüft werden, deshalb wurde er \
             nicht ausgeliefert.",
    },
    failed: Told {
        title: "Blockiert: Prüfung nicht abgeschlossen",
        text: "Die Prüfung auf Bedrohungen kam nicht zum Ende, deshalb wurde dieser Inhalt nicht \
             ausgeliefert. Ein späterer Versuch kann gelingen.",
    },
    refused: Told {
        title: "Nicht erlaubt",
        text: "Die Regeln dieses Netzwerks erlauben diesen Inhalt nicht. Er wurde nicht ausgeliefert.",
    },
    causes: Causes {
        size: "Er ist größer, als hier geprüft wird.",
        skipped: "Eine Regel hat ihn von der Prüfung ausgenommen.",
        excluded: "Inhalte dieser Art oder Herkunft werden hier nicht geprüft.",
        unsupported: "Sein Format lässt sich nicht für eine Prüfung öffnen.",
        encrypted: "Er ist verschlüsselt, sodass niemand ohne den Schlüssel hineinsehen kann.",
        partial_content: "Er ist ein Teil von etwas Größerem und lässt sich allein nicht beurteilen.",
        depth: "Er enthält Archive in Archiven, tiefer verschachtelt, als geprüft wird.",
        count: "Er enthält mehr Dateien, als geprüft werden.",
        ratio: "Entpackt ergibt er weit mehr Daten, als vernünftig wäre.",
        malformed: "Er ist beschädigt oder so gebaut, dass Programme sich über seinen Inhalt uneinig sind.",
        time: "Die Prüfung dauerte länger als erlaubt.",
        temp_space: "Dem Scanner fehlte der Platz für temporäre Dateien.",
        engine_error: "Der Scanner meldete einen Fehler.",
        crash: "Der Scanner brach ab, während er diesen Inhalt prüfte.",
        memory: "Dem Scanner ging der Arbeitsspeicher aus.",
        no_scanner: "Kein Scanner war erreichbar.",
        reputation: "Der Ruf der Adresse konnte nicht erfragt werden.",
    },
    labels: Labels {
        url: "Adresse",
        threat: "Gefunden",
        reason: "Grund",
        user: "Benutzer",
        client: "Client",
        service: "Dienst",
        time: "Zeit",
        transaction: "Referenz",
    },
    mistake: [
        "Wenn Sie das für einen Irrtum halten, wenden Sie sich an Ihre Administration und nennen \
             Sie die Referenz oben.",
        "Wenn Sie das für einen Irrtum halten, wenden Sie sich an Ihre Administration.",
    ],
};
