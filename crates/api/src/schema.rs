//! What custom resources say of values that have a notation of their own.
//!
//! Types say what they are themselves (`derive(JsonSchema)`); here is what cannot be derived: texts with a
//! pattern, and values that are a number or a text. A pattern is a first sieve, which names the field to whoever
//! applies an object; the types are the second one.

pub(crate) mod cel;

use crate::fleet::{Amount, ContentDigest};
use crate::{
    ByteSize, Glob, Heuristics, HookUrl, HostPattern, MediaRange, Preview, ReasonWord, RedirectUrl,
    RuleAction, RuleText, Template,
};
use icapstan_model::Reason;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Times as [`parse_duration`](crate::parse_duration) reads them, none of them longer than CEL can count.
const DURATION: &str = "^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,7}s)?([0-9]{1,9}ms)?$";
/// Sizes as [`ByteSize`] reads them.
const SIZE: &str = r"^[0-9]{1,18}(\.[0-9]{1,9})?(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?$";
/// Paths of ICAP services.
pub(crate) const SERVICE_PATH: &str =
    "^(/([A-Za-z0-9_~-][A-Za-z0-9._~-]*|\\.[A-Za-z0-9_~-][A-Za-z0-9._~-]*))+$";

macro_rules! say {
    ($($kind:ty as $name:literal: $schema:tt)*) => {$(
        impl JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

say! {
    ByteSize as "ByteSize": {
        "x-kubernetes-int-or-string": true,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": SIZE,
        "minimum": 0,
    }
    Amount as "Amount": {
        "x-kubernetes-int-or-string": true,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": "^([0-9]|[1-9][0-9]|100)%$",
        "minimum": 0,
        "maximum": 1_000_000,
    }
    Preview as "Preview": {
        "x-kubernetes-int-or-string": true,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": r"^(off|[0-9]{1,5}(Ki|k)?)$",
        "minimum": 0,
        "maximum": Preview::MAX,
    }
    ContentDigest as "ContentDigest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "maxLength": 71}
    Glob as "Glob": {"type": "string", "minLength": 1, "maxLength": Glob::MAX}
    HostPattern as "HostPattern": {
        "type": "string",
        "pattern": r"^(\*\.)?[A-Za-z0-9_:\[\]-]+([.][A-Za-z0-9_:\[\]-]+)*$",
        "maxLength": 257,
    }
    MediaRange as "MediaRange": {
        "type": "string",
        "pattern": r"^(\*/\*|[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/(\*|[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*))$",
        "maxLength": 255,
    }
    RuleText as "RuleText": {"type": "string", "minLength": 1, "maxLength": RuleText::MAX, "pattern": "^[ -~]*$"}
    RedirectUrl as "RedirectUrl": {"type": "string", "pattern": "^https?://[^/?#:@]", "maxLength": RedirectUrl::MAX}
    HookUrl as "HookUrl": {"type": "string", "pattern": "^https?://[^/?#:@]", "maxLength": HookUrl::MAX}
    Template as "Template": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]*$", "maxLength": 32}
    Heuristics as "Heuristics": {"type": "string", "enum": ["off", "shallow", "medium", "detail"]}
    ReasonWord as "ReasonWord": {"type": "string", "enum": Reason::all().map(Reason::as_str).collect::<Vec<_>>()}
}

impl JsonSchema for RuleAction {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RuleAction".into()
    }

    /// Only the notation that is a mapping: what may be either a word or a mapping cannot be told.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let described = |mut schema: Schema, text: &str| {
            schema.insert("description".to_owned(), text.into());
            schema
        };
        let nothing = || json_schema!({"type": "object"});
        json_schema!({
            "type": "object",
            "properties": {
                "none": described(nothing(), "The object passes."),
                "log": described(nothing(), "The object passes and the log says so."),
                "block": described(
                    Template::json_schema(generator),
                    "The client gets this page instead, and the log says so: detected, phishing, notScanned, failed, \
                     refused, or one of the templates folder.",
                ),
                "redirect": described(
                    RedirectUrl::json_schema(generator),
                    "The client is sent there instead, and the log says so. Behind the ? there may be variables.",
                ),
            },
            "x-kubernetes-validations": cel::ACTION,
        })
    }
}

/// A time such as `10s` or `1h30m`.
pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": DURATION, "minLength": 2, "maxLength": 32})
}

/// A moment (RFC 3339).
pub(crate) fn timestamp(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// Networks such as `192.0.2.0/24`.
pub(crate) fn networks(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 1024,
        "items": {"type": "string", "pattern": "^[0-9A-Fa-f:.]{2,45}/[0-9]{1,3}$", "maxLength": 49},
    })
}

/// An address of a machine.
pub(crate) fn ip_address(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": "^[0-9A-Fa-f:.]{2,45}$", "maxLength": 45})
}

/// ISTags by the paths of services.
pub(crate) fn istags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 1024,
        "additionalProperties": {"type": "string", "maxLength": 32},
    })
}

/// What scanners hold that are named.
pub(crate) fn holdings(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 4096,
        "additionalProperties": {
            "type": "array",
            "maxItems": 8,
            "items": ContentDigest::json_schema(generator),
        },
    })
}
