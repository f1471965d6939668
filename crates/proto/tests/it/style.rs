//! How files below `proto/icapstan` are written: what matters of the rules that buf calls STANDARD
//! (buf.build/docs/lint/rules), and a comment on everything.

use crate::ours;
use prost_types::source_code_info::Location;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
};
use std::collections::BTreeMap;

/// The faults of one file.
struct Reader<'f> {
    file: &'f FileDescriptorProto,
    comments: BTreeMap<&'f [i32], &'f Location>,
    faults: Vec<String>,
}

/// The numbers of fields in `google.protobuf.*DescriptorProto`, which places are made of.
mod number {
    pub(super) const MESSAGE: i32 = 4;
    pub(super) const ENUM: i32 = 5;
    pub(super) const SERVICE: i32 = 6;
    pub(super) const MESSAGE_FIELD: i32 = 2;
    pub(super) const MESSAGE_NESTED: i32 = 3;
    pub(super) const MESSAGE_ENUM: i32 = 4;
    pub(super) const MESSAGE_ONEOF: i32 = 8;
    pub(super) const ENUM_VALUE: i32 = 2;
    pub(super) const SERVICE_METHOD: i32 = 2;
}

fn faults(set: &FileDescriptorSet) -> Vec<String> {
    set.file.iter().flat_map(|file| Reader::new(file).read()).collect()
}

impl<'f> Reader<'f> {
    fn new(file: &'f FileDescriptorProto) -> Self {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        let comments = locations.map(|location| (&location.path[..], location)).collect();
        Self { file, comments, faults: Vec::new() }
    }

    fn read(mut self) -> Vec<String> {
        let file = self.file;
        let package = file.package();
        let version = package.rsplit('.').next().unwrap_or_default();
        let is_version = version.strip_prefix('v').is_some_and(|digits| digits.parse::<u32>().is_ok());
        self.check(is_version, package, "the package has no version, such as .v1");
        let folder = file.name().rsplit_once('/').map_or("", |(folder, _)| folder);
        self.check(folder == package.replace('.', "/"), file.name(), "the folder is not that of the package");
        self.check(file.syntax() == "proto3", file.name(), "the syntax is not proto3");
        for (at, message) in (0..).zip(&file.message_type) {
            self.message(package, message, &[number::MESSAGE, at]);
        }
        for (at, values) in (0..).zip(&file.enum_type) {
            self.values(package, values, &[number::ENUM, at]);
        }
        for (at, service) in (0..).zip(&file.service) {
            self.service(package, service, &[number::SERVICE, at]);
        }
        self.faults
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto, place: &[i32]) {
        if message.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry) {
            // Made by the compiler, of a map.
            return;
        }
        let name = format!("{scope}.{}", message.name());
        self.named(&name, place, is_pascal(message.name()), "is not in PascalCase");
        for (at, field) in (0..).zip(&message.field) {
            let own = format!("{name}.{}", field.name());
            let place = [place, &[number::MESSAGE_FIELD, at]].concat();
            self.named(&own, &place, is_snake(field.name()), "is not in lower_snake_case");
        }
        // An optional field has a oneof that nobody wrote.
        let written = message.oneof_decl.iter().filter(|one_of| !one_of.name().starts_with('_'));
        for (at, one_of) in (0..).zip(written) {
            let own = format!("{name}.{}", one_of.name());
            let place = [place, &[number::MESSAGE_ONEOF, at]].concat();
            self.named(&own, &place, is_snake(one_of.name()), "is not in lower_snake_case");
        }
        for (at, nested) in (0..).zip(&message.nested_type) {
            self.message(&name, nested, &[place, &[number::MESSAGE_NESTED, at]].concat());
        }
        for (at, values) in (0..).zip(&message.enum_type) {
            self.values(&name, values, &[place, &[number::MESSAGE_ENUM, at]].concat());
        }
    }

    fn values(&mut self, scope: &str, values: &EnumDescriptorProto, place: &[i32]) {
        let name = format!("{scope}.{}", values.name());
        self.named(&name, place, is_pascal(values.name()), "is not in PascalCase");
        let aliases = values.options.as_ref().is_some_and(prost_types::EnumOptions::allow_alias);
        self.check(!aliases, &name, "has two names for a number");
        let prefix = format!("{}_", upper_snake(values.name()));
        for (at, value) in (0..).zip(&values.value) {
            let own = format!("{name}.{}", value.name());
            let place = [place, &[number::ENUM_VALUE, at]].concat();
            self.named(&own, &place, is_upper_snake(value.name()), "is not in UPPER_SNAKE_CASE");
            self.check(value.name().starts_with(&prefix), &own, &format!("does not begin with {prefix}"));
            let is_zero = value.number() == 0;
            let is_unspecified = value.name() == format!("{prefix}UNSPECIFIED");
            self.check(is_zero == is_unspecified, &own, "0, and nothing else, is _UNSPECIFIED");
        }
    }

    fn service(&mut self, scope: &str, service: &ServiceDescriptorProto, place: &[i32]) {
        let name = format!("{scope}.{}", service.name());
        self.named(&name, place, is_pascal(service.name()), "is not in PascalCase");
        for (at, method) in (0..).zip(&service.method) {
            let own = format!("{name}.{}", method.name());
            let place = [place, &[number::SERVICE_METHOD, at]].concat();
            self.named(&own, &place, is_pascal(method.name()), "is not in PascalCase");
        }
    }

    fn named(&mut self, name: &str, place: &[i32], is_right: bool, wrong: &str) {
        self.check(is_right, name, wrong);
        let comment = self.comments.get(place).map(|location| location.leading_comments().trim());
        self.check(comment.is_some_and(|comment| !comment.is_empty()), name, "has no comment");
    }

    fn check(&mut self, is_right: bool, name: &str, wrong: &str) {
        if !is_right {
            self.faults.push(format!("{name}: {wrong}"));
        }
    }
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn is_snake(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(is_part)
        && !name.contains("__")
        && !name.ends_with('_')
}

fn is_upper_snake(name: &str) -> bool {
    is_snake(&name.to_ascii_lowercase()) && !name.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn upper_snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[test]
fn all_files_are_written_alike_and_say_what_everything_is() {
    let faults = faults(&ours());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_written_otherwise_is_found() {
    const BAD: &str = r#"
        syntax = "proto3";
        package icapstan.later;
        message bad_name {
          // A comment.
          string CamelCase = 1;
          string uncommented = 2;
          // A comment.
          oneof Which {
            // A comment.
            string a__b = 3;
          }
          // What is optional has a oneof that needs no comment.
          optional string fine = 4;
          // A map is made of a message that needs none.
          map<string, string> pairs = 5;
          // Inside.
          message Nested {
            string bare = 1;
          }
        }
        // Kinds.
        enum Kind {
          // Nothing.
          KIND_NONE = 0;
          // Something.
          SOME_KIND = 1;
          // Something else.
          KIND_UNSPECIFIED = 2;
        }
        service things {
          rpc getThings(bad_name) returns (bad_name);
        }
    "#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.proto"), BAD).unwrap();
    let set = protox::compile(["bad.proto"], [folder.path()]).unwrap();
    let wanted = [
        "icapstan.later: the package has no version, such as .v1",
        "bad.proto: the folder is not that of the package",
        "icapstan.later.bad_name: is not in PascalCase",
        "icapstan.later.bad_name: has no comment",
        "icapstan.later.bad_name.CamelCase: is not in lower_snake_case",
        "icapstan.later.bad_name.uncommented: has no comment",
        "icapstan.later.bad_name.a__b: is not in lower_snake_case",
        "icapstan.later.bad_name.Which: is not in lower_snake_case",
        "icapstan.later.bad_name.Nested.bare: has no comment",
        "icapstan.later.Kind.KIND_NONE: 0, and nothing else, is _UNSPECIFIED",
        "icapstan.later.Kind.SOME_KIND: does not begin with KIND_",
        "icapstan.later.Kind.KIND_UNSPECIFIED: 0, and nothing else, is _UNSPECIFIED",
        "icapstan.later.things: is not in PascalCase",
        "icapstan.later.things: has no comment",
        "icapstan.later.things.getThings: is not in PascalCase",
        "icapstan.later.things.getThings: has no comment",
    ];
    assert_eq!(faults(&set), wanted);
}
