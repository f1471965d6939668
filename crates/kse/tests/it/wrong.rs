//! What is no kavicapd.xml is refused with the cause.

use crate::icap;
use icapstan_kse::{ImportError, MAX_INPUT_LEN, import};

fn error(xml: impl AsRef<[u8]>) -> ImportError {
    import(xml.as_ref(), None).expect_err("this can be taken over")
}

#[test]
fn what_is_no_xml_is_refused_with_the_place() {
    for xml in
        ["", "limits: {sessions: 1}", "<Configuration>", "<Configuration><ICAPSettings></Configuration>"]
    {
        let ImportError::NotXml { message } = error(xml) else { panic!("{xml}") };
        assert!(!message.is_empty());
    }
    let place = error("<Configuration>\n<ICAPSettings>&none;</ICAPSettings>\n</Configuration>").to_string();
    assert!(place.contains("2:"), "{place}");
    assert_eq!(error(b"<Configuration>\xff</Configuration>"), ImportError::NotText);
    let utf16: Vec<u8> = "<Configuration/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(matches!(error(utf16), ImportError::NotXml { .. } | ImportError::NotText));
}

#[test]
fn other_documents_are_refused() {
    assert_eq!(error("<html/>"), ImportError::WrongRoot { found: "html".into() });
    assert_eq!(error("<Configuration><Other/></Configuration>"), ImportError::NoSections);
}

#[test]
fn entities_cannot_be_defined() {
    for subset in [
        "<!ENTITY a 'b'>",
        "<!ENTITY a SYSTEM 'file:///etc/passwd'>",
        "<!ENTITY % a SYSTEM 'http://127.0.0.1/'> %a;",
    ] {
        let xml = format!("<!DOCTYPE Configuration [{subset}]>{}", icap("<Port>&a;</Port>"));
        assert_eq!(error(xml), ImportError::DocumentType, "{subset}");
    }
    assert!(matches!(error(icap("<Port>&a;</Port>")), ImportError::NotXml { .. }));
}

#[test]
fn documents_without_measure_are_refused() {
    let long = icap(&" ".repeat(1024 * 1024));
    assert_eq!(error(long), ImportError::TooLarge { limit: MAX_INPUT_LEN });
    assert!(matches!(error(icap(&"<x/>".repeat(20_000))), ImportError::TooManyNodes { .. }));
    for depth in [14, 15, 1000, 50_000] {
        let deep = icap(&format!("{}{}", "<x>".repeat(depth), "</x>".repeat(depth)));
        let result = import(deep.as_bytes(), None);
        match depth {
            14 => assert!(result.is_ok(), "{result:?}"),
            _ => assert!(
                matches!(result, Err(ImportError::TooDeep { .. } | ImportError::TooManyNodes { .. })),
                "{result:?}"
            ),
        }
    }
    // Even what is compared with each other is bounded.
    let attributes: Vec<String> = (0..80_000).map(|number| format!("a{number}=''")).collect();
    let crowd = error(icap(&format!("<Port {}/>", attributes.join(" "))));
    assert!(matches!(crowd, ImportError::TooManyNodes { .. }), "{crowd}");
    // Not a byte too much, and not one too little.
    let rules = "#".repeat(1024 * 1024);
    assert!(import(icap("").as_bytes(), Some(&rules)).is_ok());
    assert_eq!(
        import(icap("").as_bytes(), Some(&format!("{rules}#"))),
        Err(ImportError::RulesTooLarge { limit: MAX_INPUT_LEN })
    );
}
