//! What of the messages is seen on the wire, line by line.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
};
use std::collections::BTreeMap;
use std::fmt::Write;

/// From what is to stay, such as `icapstan.scan.v1.Load 1`, to how it is, such as `uint32 jobs`.
pub(crate) type Listing = BTreeMap<String, String>;

/// Of all files.
pub(crate) fn of(set: &FileDescriptorSet) -> Listing {
    let mut listing = Listing::new();
    for file in &set.file {
        for message in &file.message_type {
            add_message(file.package(), message, &mut listing);
        }
        for values in &file.enum_type {
            add_enum(file.package(), values, &mut listing);
        }
        for service in &file.service {
            add_service(file.package(), service, &mut listing);
        }
    }
    listing
}

/// As it is checked in.
pub(crate) fn written(listing: &Listing) -> String {
    let mut text = String::from(
        "# What processes of other versions rely on. A test of crates/proto compares proto/icapstan with it, and says\n\
         # what to do when it differs.\n",
    );
    for (key, value) in listing {
        writeln!(text, "{key} = {value}").expect("a String takes it");
    }
    text
}

/// As it was checked in.
pub(crate) fn read(text: &str) -> Listing {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(" = ").expect(line)).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

fn add(listing: &mut Listing, key: String, value: String) {
    let before = listing.insert(key, value);
    assert_eq!(before, None, "something is there twice");
}

fn add_message(scope: &str, message: &DescriptorProto, listing: &mut Listing) {
    let name = format!("{scope}.{}", message.name());
    add(listing, name.clone(), "message".to_owned());
    for field in &message.field {
        add(listing, format!("{name} {}", field.number()), field_text(message, field));
    }
    for range in &message.reserved_range {
        // The end of a range is not in it.
        add_reserved(&name, range.start(), range.end() - 1, listing);
    }
    for reserved in &message.reserved_name {
        add(listing, format!("{name} reserved {reserved}"), "a name".to_owned());
    }
    for nested in &message.nested_type {
        add_message(&name, nested, listing);
    }
    for values in &message.enum_type {
        add_enum(&name, values, listing);
    }
}

fn add_reserved(name: &str, first: i32, last: i32, listing: &mut Listing) {
    assert!(
        last - first < 1000,
        "{name}: a range from {first} to {last} is reserved for nothing that was there"
    );
    for number in first..=last {
        add(listing, format!("{name} reserved {number}"), "a number".to_owned());
    }
}

fn field_text(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let kind = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().trim_start_matches('.').to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_ascii_lowercase(),
    };
    let one_of = field.oneof_index.and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?));
    let how = match (field.label(), one_of) {
        (Label::Repeated, _) => "repeated ".to_owned(),
        (_, _) if field.proto3_optional() => "optional ".to_owned(),
        (_, Some(one_of)) => format!("oneof {}: ", one_of.name()),
        (_, None) => String::new(),
    };
    format!("{how}{kind} {}", field.name())
}

fn add_enum(scope: &str, values: &EnumDescriptorProto, listing: &mut Listing) {
    let name = format!("{scope}.{}", values.name());
    add(listing, name.clone(), "enum".to_owned());
    for value in &values.value {
        add(listing, format!("{name} {}", value.number()), value.name().to_owned());
    }
    for range in &values.reserved_range {
        add_reserved(&name, range.start(), range.end(), listing);
    }
    for reserved in &values.reserved_name {
        add(listing, format!("{name} reserved {reserved}"), "a name".to_owned());
    }
}

fn add_service(scope: &str, service: &ServiceDescriptorProto, listing: &mut Listing) {
    let name = format!("{scope}.{}", service.name());
    add(listing, name.clone(), "service".to_owned());
    for method in &service.method {
        let stream = |is_one| if is_one { "stream " } else { "" };
        let text = format!(
            "{}{} to {}{}",
            stream(method.client_streaming()),
            method.input_type().trim_start_matches('.'),
            stream(method.server_streaming()),
            method.output_type().trim_start_matches('.')
        );
        add(listing, format!("{name} {}", method.name()), text);
    }
}
