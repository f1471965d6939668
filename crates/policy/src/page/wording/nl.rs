//! Dutch.

use super::{Causes, Labels, Told, Words};

pub(super) const WORDS: Words = Words {
    tag: "nl",
    right_to_left: false,
    detected: Told {
        title: "Bedreiging geblokkeerd",
        text: "Deze inhoud is gescand en blijkt gevaarlijk te zijn. Hij is niet afgeleverd.",
    },
    macros: Told {
        title: "Document met macro’s geblokkeerd",
        text: "Dit document bevat macro’s: kleine programma’s die worden uitgevoerd wanneer het wordt \
             geopend. Ze zijn hier niet toegestaan, dus is het niet afgeleverd.",
    },
    phishing: Told {
        title: "Misleidende inhoud geblokkeerd",
        text: "Deze inhoud doet zich voor als iets anders, vaak om wachtwoorden of geld te bemachtigen. \
             Hij is niet afgeleverd.",
    },
    not_scanned: Told {
        title: "Geblokkeerd: kon niet worden gecontroleerd",
        text: "Deze inhoud kon niet volledig op bedreigingen worden gecontroleerd en is daarom niet \
             afgeleverd.",
    },
    failed: Told {
        title: "Geblokkeerd: controle niet voltooid",
        text: "De controle op bedreigingen is niet voltooid, dus is deze inhoud niet afgeleverd. Later \
             opnieuw proberen kan helpen.",
    },
    refused: Told {
        title: "Niet toegestaan",
        text: "De regels van dit netwerk staan deze inhoud niet toe. Hij is niet afgeleverd.",
    },
    causes: Causes {
        size: "Hij is groter dan wat hier wordt gecontroleerd.",
        skipped: "Een regel heeft hem van de controle uitgesloten.",
        excluded: "Inhoud van deze soort of herkomst wordt hier niet gecontroleerd.",
        unsupported: "De indeling kan niet worden geopend voor een controle.",
        encrypted: "Hij is versleuteld, zodat niemand zonder de sleutel erin kan kijken.",
        partial_content: "Het is een deel van iets groters dat niet op zichzelf kan worden beoordeeld.",
        depth: "Hij bevat archieven in archieven, dieper genest dan wordt gecontroleerd.",
        count: "Hij bevat meer bestanden dan worden gecontroleerd.",
        ratio: "Uitgepakt levert hij veel meer gegevens op dan redelijk is.",
        malformed: "Hij is beschadigd, of zo gemaakt dat programma’s het niet eens zijn over wat erin zit.",
        time: "De controle duurde langer dan is toegestaan.",
        temp_space: "De scanner had geen ruimte voor tijdelijke bestanden.",
        engine_error: "De scanner meldde een fout.",
        crash: "De scanner stopte terwijl hij deze inhoud bekeek.",
        memory: "De scanner had te weinig geheugen.",
        no_scanner: "Er was geen scanner bereikbaar.",
        reputation: "De reputatie van het adres kon niet worden opgevraagd.",
    },
    labels: Labels {
        url: "Adres",
        threat: "Gevonden",
        reason: "Reden",
        user: "Gebruiker",
        client: "Client",
        service: "Dienst",
        time: "Tijd",
        transaction: "Referentie",
    },
    mistake: [
        "Denkt u dat dit een vergissing is, meld het dan aan uw beheerder en noem de referentie \
             hierboven.",
        "Denkt u dat dit een vergissing is, meld het dan aan uw beheerder.",
    ],
};
