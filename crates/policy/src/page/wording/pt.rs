//! Portuguese.

use super::{Causes, Labels, Told, Words};

pub(super) const WORDS: Words = Words {
    tag: "pt",
    right_to_left: false,
    detected: Told {
        title: "Ameaça bloqueada",
        text: "Este conteúdo foi analisado e considerado perigoso. Não foi entregue.",
    },
    macros: Told {
        title: "Documento com macros bloqueado",
        text: "Este documento contém macros: pequenos programas que são executados quando é aberto. \
             Aqui elas não são permitidas, por isso não foi entregue.",
    },
    phishing: Told {
        title: "Conteúdo enganoso bloqueado",
        text: "Este conteúdo finge ser o que não é, muitas vezes para obter senhas ou dinheiro. Não foi \
             entregue.",
    },
    not_scanned: Told {
        title: "Bloqueado: não foi possível verificar",
        text: "Não foi possível verificar por completo se este conteúdo tem ameaças, por isso não foi \
             entregue.",
    },
    failed: Told {
        title: "Bloqueado: verificação não concluída",
        text: "A procura de ameaças não chegou ao fim, por isso este conteúdo não foi entregue. Tentar \
             de novo mais tarde pode resolver.",
    },
    refused: Told {
        title: "Não permitido",
        text: "As regras desta rede não permitem este conteúdo. Não foi entregue.",
    },
    causes: Causes {
        size: "É maior do que o que se verifica aqui.",
        skipped: "Uma regra excluiu-o da verificação.",
        excluded: "Os conteúdos deste tipo ou desta origem não são verificados aqui.",
        unsupported: "O seu formato não pode ser aberto para verificação.",
        encrypted: "Está cifrado, de modo que ninguém sem a chave pode ver o seu interior.",
        partial_content: "É uma parte de algo maior e não pode ser avaliado sozinho.",
        depth: "Contém arquivos compactados dentro de outros, com mais níveis do que se verifica.",
        count: "Contém mais ficheiros do que se verifica.",
        ratio: "Ao descompactar, gera muito mais dados do que é razoável.",
        malformed: "Está danificado, ou feito de modo que os programas discordam sobre o que contém.",
        time: "A verificação demorou mais do que o permitido.",
        temp_space: "O analisador não tinha espaço para ficheiros temporários.",
        engine_error: "O analisador comunicou um erro.",
        crash: "O analisador parou enquanto examinava este conteúdo.",
        memory: "O analisador ficou sem memória.",
        no_scanner: "Não foi possível contactar nenhum analisador.",
        reputation: "Não foi possível consultar a reputação do endereço.",
    },
    labels: Labels {
        url: "Endereço",
        threat: "Detectado",
        reason: "Motivo",
        user: "Utilizador",
        client: "Cliente",
        service: "Serviço",
        time: "Data",
        transaction: "Referência",
    },
    mistake: [
        "Se acha que isto é um engano, avise o seu administrador e indique a referência acima.",
        "Se acha que isto é um engano, avise o seu administrador.",
    ],
};
