//! Polish.

use super::{Causes, Labels, Told, Words};

pub(super) const WORDS: Words = Words {
    tag: "pl",
    right_to_left: false,
    detected: Told {
        title: "Zagrożenie zablokowane",
        text: "Ta treść została przeskanowana i uznana za niebezpieczną. Nie została dostarczona.",
    },
    macros: Told {
        title: "Zablokowano dokument z makrami",
        text: "Ten dokument zawiera makra: małe programy uruchamiane przy jego otwarciu. Nie są tu \
             dozwolone, dlatego nie został dostarczony.",
    },
    phishing: Told {
        title: "Zablokowano treść wprowadzającą w błąd",
        text: "Ta treść podszywa się pod coś, czym nie jest, często po to, by zdobyć hasła lub \
             pieniądze. Nie została dostarczona.",
    },
    not_scanned: Told {
        title: "Zablokowano: nie można sprawdzić",
        text: "Tej treści nie udało się w pełni sprawdzić pod kątem zagrożeń, dlatego nie została \
             dostarczona.",
    },
    failed: Told {
        title: "Zablokowano: sprawdzanie nieukończone",
        text: "Sprawdzanie pod kątem zagrożeń nie dobiegło końca, dlatego ta treść nie została \
             dostarczona. Ponowna próba później może pomóc.",
    },
    refused: Told {
        title: "Niedozwolone",
        text: "Zasady tej sieci nie zezwalają na tę treść. Nie została dostarczona.",
    },
    causes: Causes {
        size: "Jest większa niż to, co jest tu sprawdzane.",
        skipped: "Reguła wyłączyła ją ze sprawdzania.",
        excluded: "Treści tego rodzaju lub pochodzenia nie są tu sprawdzane.",
        unsupported: "Jej formatu nie można otworzyć w celu sprawdzenia.",
        encrypted: "Jest zaszyfrowana, więc bez klucza nikt nie może zajrzeć do środka.",
        partial_content: "Jest częścią czegoś większego i nie można jej ocenić osobno.",
        depth: "Zawiera archiwa w archiwach, zagnieżdżone głębiej, niż jest sprawdzane.",
        count: "Zawiera więcej plików, niż jest sprawdzanych.",
        ratio: "Po rozpakowaniu daje znacznie więcej danych, niż jest rozsądne.",
        malformed: "Jest uszkodzona albo zbudowana tak, że programy różnie odczytują jej zawartość.",
        time: "Sprawdzanie trwało dłużej, niż jest dozwolone.",
        temp_space: "Skanerowi zabrakło miejsca na pliki tymczasowe.",
        engine_error: "Skaner zgłosił błąd.",
        crash: "Skaner przerwał pracę podczas sprawdzania tej treści.",
        memory: "Skanerowi zabrakło pamięci.",
        no_scanner: "Żaden skaner nie był osiągalny.",
        reputation: "Nie można było sprawdzić reputacji adresu.",
    },
    labels: Labels {
        url: "Adres",
        threat: "Wykryto",
        reason: "Powód",
        user: "Użytkownik",
        client: "Klient",
        service: "Usługa",
        time: "Czas",
        transaction: "Numer",
    },
    mistake: [
        "Jeśli uważasz, że to pomyłka, powiadom administratora i podaj powyższy numer.",
        "Jeśli uważasz, że to pomyłka, powiadom administratora.",
    ],
};
