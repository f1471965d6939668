//! French.

use super::{Causes, Labels, Told, Words};

pub(super) const WORDS: Words = Words {
    tag: "fr",
    right_to_left: false,
    detected: Told {
        title: "Menace bloquée",
        text: "Ce contenu a été analysé et jugé dangereux. Il n’a pas été transmis.",
    },
    macros: Told {
        title: "Document avec macros bloqué",
        text: "Ce document contient des macros, de petits programmes qui s’exécutent à son ouverture. \
             Elles ne sont pas autorisées ici, il n’a donc pas été transmis.",
    },
    phishing: Told {
        title: "Contenu trompeur bloqué",
        text: "Ce contenu se fait passer pour ce qu’il n’est pas, souvent pour obtenir des mots de \
             passe ou de l’argent. Il n’a pas été transmis.",
    },
    not_scanned: Told {
        title: "Bloqué : vérification impossible",
        text: "Ce contenu n’a pas pu être entièrement vérifié, il n’a donc pas été transmis.",
    },
    failed: Told {
        title: "Bloqué : vérification inachevée",
        text: "La recherche de menaces n’a pas pu aboutir, ce contenu n’a donc pas été transmis. Une \
             nouvelle tentative plus tard peut réussir.",
    },
    refused: Told {
        title: "Non autorisé",
        text: "Les règles de ce réseau n’autorisent pas ce contenu. Il n’a pas été transmis.",
    },
    causes: Causes {
        size: "Il est plus volumineux que ce qui est vérifié ici.",
        skipped: "Une règle l’a exclu de la vérification.",
        excluded: "Les contenus de ce type ou de cette origine ne sont pas vérifiés ici.",
        unsupported: "Son format ne peut pas être ouvert pour être vérifié.",
        encrypted: "Il est chiffré : sans la clé, personne ne peut voir ce qu’il contient.",
        partial_content: "C’est un fragment d’un ensemble plus grand, qui ne peut pas être jugé seul.",
        depth: "Il contient des archives imbriquées plus profondément que ce qui est vérifié.",
        count: "Il contient plus de fichiers que ce qui est vérifié.",
        ratio: "Une fois décompressé, il donne bien plus de données qu’il n’est raisonnable.",
        malformed: "Il est endommagé, ou construit de sorte que les programmes ne s’accordent pas sur son \
             contenu.",
        time: "La vérification a dépassé le temps permis.",
        temp_space: "L’analyseur n’avait plus de place pour ses fichiers temporaires.",
        engine_error: "L’analyseur a signalé une erreur.",
        crash: "L’analyseur s’est arrêté pendant l’examen de ce contenu.",
        memory: "L’analyseur a manqué de mémoire.",
        no_scanner: "Aucun analyseur n’était joignable.",
        reputation: "La réputation de l’adresse n’a pas pu être vérifiée.",
    },
    labels: Labels {
        url: "Adresse",
        threat: "Détecté",
        reason: "Motif",
        user: "Utilisateur",
        client: "Client",
        service: "Service",
        time: "Date",
        transaction: "Référence",
    },
    mistake: [
        "Si vous pensez qu’il s’agit d’une erreur, prévenez votre administrateur en indiquant la \
             référence ci-dessus.",
        "Si vous pensez qu’il s’agit d’une erreur, prévenez votre administrateur.",
    ],
};
