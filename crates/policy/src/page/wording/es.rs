//! Spanish.

use super::{Causes, Labels, Told, Words};

pub(super) const WORDS: Words = Words {
    tag: "es",
    right_to_left: false,
    detected: Told {
        title: "Amenaza bloqueada",
        text: "Este contenido se ha analizado y es peligroso. No se ha entregado.",
    },
    macros: Told {
        title: "Documento con macros bloqueado",
        text: "Este documento contiene macros: pequeños programas que se ejecutan al abrirlo. Aquí no \
             están permitidas, por lo que no se ha entregado.",
    },
    phishing: Told {
        title: "Contenido engañoso bloqueado",
        text: "Este contenido se hace pasar por algo que no es, a menudo para obtener contraseñas o \
             dinero. No se ha entregado.",
    },
    not_scanned: Told {
        title: "Bloqueado: no se pudo comprobar",
        text: "No se ha podido comprobar por completo si este contenido tiene amenazas, por lo que no \
             se ha entregado.",
    },
    failed: Told {
        title: "Bloqueado: comprobación incompleta",
        text: "La búsqueda de amenazas no llegó a su fin, por lo que este contenido no se ha entregado. \
             Puede servir intentarlo más tarde.",
    },
    refused: Told {
        title: "No permitido",
        text: "Las normas de esta red no permiten este contenido. No se ha entregado.",
    },
    causes: Causes {
        size: "Es más grande de lo que se comprueba aquí.",
        skipped: "Una regla lo ha excluido de la comprobación.",
        excluded: "Aquí no se comprueban los contenidos de este tipo o de este origen.",
        unsupported: "Su formato no se puede abrir para comprobarlo.",
        encrypted: "Está cifrado, de modo que nadie puede ver su interior sin la clave.",
        partial_content: "Es un fragmento de algo mayor y no se puede juzgar por sí solo.",
        depth: "Contiene archivos comprimidos dentro de otros, a más profundidad de la que se comprueba.",
        count: "Contiene más archivos de los que se comprueban.",
        ratio: "Al descomprimirlo ocupa muchos más datos de lo razonable.",
        malformed: "Está dañado, o hecho de manera que los programas no coinciden en lo que contiene.",
        time: "La comprobación tardó más de lo permitido.",
        temp_space: "El analizador no tenía espacio para archivos temporales.",
        engine_error: "El analizador informó de un error.",
        crash: "El analizador se detuvo mientras examinaba este contenido.",
        memory: "El analizador se quedó sin memoria.",
        no_scanner: "No se pudo contactar con ningún analizador.",
        reputation: "No se pudo consultar la reputación de la dirección.",
    },
    labels: Labels {
        url: "Dirección",
        threat: "Detectado",
        reason: "Motivo",
        user: "Usuario",
        client: "Cliente",
        service: "Servicio",
        time: "Fecha",
        transaction: "Referencia",
    },
    mistake: [
        "Si cree que se trata de un error, avise a su administrador e indique la referencia anterior.",
        "Si cree que se trata de un error, avise a su administrador.",
    ],
};
