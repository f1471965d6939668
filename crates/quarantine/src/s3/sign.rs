//! Signature version 4 of AWS, in a header field
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>).

use super::credentials::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use icapstan_telemetry::timestamp;
use std::fmt::Write as _;
use std::time::SystemTime;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "s3";
const END: &str = "aws4_request";

/// The SHA-256 of nothing.
pub(super) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What is signed of a request.
pub(super) struct ToSign<'r> {
    pub(super) method: &'r str,
    /// Encoded, as it is sent.
    pub(super) path: &'r str,
    /// Encoded, in the order of its names.
    pub(super) query: &'r str,
    /// Names in small letters, and in their order.
    pub(super) fields: &'r [(&'r str, &'r str)],
    /// The SHA-256 of the body.
    pub(super) payload: &'r str,
}

// === impl ToSign ===

impl ToSign<'_> {
    /// The value of `Authorization`, at a time as [`time`] writes it.
    pub(super) fn authorization(&self, credentials: &Credentials, region: &str, time: &str) -> String {
        let date = time.split('T').next().unwrap_or_default();
        let scope = format!("{date}/{region}/{SERVICE}/{END}");
        let (canonical, names) = self.canonical();
        let text =
            format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
        let first = format!("AWS4{}", credentials.secret());
        let key = [date, region, SERVICE, END]
            .iter()
            .fold(first.into_bytes(), |key, part| mac(&key, part).as_ref().to_vec());
        let signature = hex(mac(&key, &text).as_ref());
        let id = &credentials.id;
        format!("{ALGORITHM} Credential={id}/{scope},SignedHeaders={names},Signature={signature}")
    }

    /// The request in the one form that both sides know, and the names of its fields.
    fn canonical(&self) -> (String, String) {
        let names: Vec<_> = self.fields.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut fields = String::new();
        for (name, value) in self.fields {
            // Into a text nothing fails.
            let _ = writeln!(fields, "{name}:{value}");
        }
        let Self { method, path, query, payload, .. } = self;
        (format!("{method}\n{path}\n{query}\n{fields}\n{names}\n{payload}"), names)
    }
}

/// `20260131T235959Z`
pub(super) fn time(now: SystemTime) -> String {
    let mut text: String = timestamp(now).chars().filter(|c| !matches!(c, '-' | ':')).collect();
    text.truncate("20260131T235959".len());
    text.push('Z');
    text
}

/// All that has a meaning in a URL becomes `%XX`, also `/` unless it is `plain`.
pub(super) fn encode(text: &str, plain: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Digits in small letters.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const TIME: &str = "20130524T000000Z";
    const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");

    /// The key of the examples at
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
    fn signature(to_sign: &ToSign<'_>) -> String {
        let credentials = Credentials::parse(
            "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n\
             aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        );
        let authorization = to_sign.authorization(&credentials.unwrap(), "us-east-1", TIME);
        let (front, signature) = authorization.rsplit_once('=').unwrap();
        let (credential, _) = front.split_once(",SignedHeaders=").unwrap();
        assert_eq!(
            credential,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
        );
        signature.to_owned()
    }

    #[test]
    fn requests_are_signed_as_the_examples_of_aws() {
        let date = ("x-amz-date", TIME);
        let empty = ("x-amz-content-sha256", EMPTY);
        let get = ToSign {
            method: "GET",
            path: "/test.txt",
            query: "",
            fields: &[HOST, ("range", "bytes=0-9"), empty, date],
            payload: EMPTY,
        };
        assert_eq!(signature(&get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
        let body = hex(digest(&SHA256, b"Welcome to Amazon S3.").as_ref());
        let put = ToSign {
            method: "PUT",
            path: &encode("/test$file.text", b"/"),
            query: "",
            fields: &[
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                HOST,
                ("x-amz-content-sha256", &body),
                date,
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            payload: &body,
        };
        assert_eq!(signature(&put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
        let list = ToSign {
            method: "GET",
            path: "/",
            query: "max-keys=2&prefix=J",
            fields: &[HOST, empty, date],
            payload: EMPTY,
        };
        assert_eq!(signature(&list), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
        let lifecycle = ToSign { query: "lifecycle=", ..list };
        assert_eq!(signature(&lifecycle), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    }

    #[test]
    fn times_and_texts_have_one_form() {
        assert_eq!(time(UNIX_EPOCH + Duration::from_micros(1_369_353_600_999_999)), TIME);
        assert_eq!(encode("a/b c+~ä=", b""), "a%2Fb%20c%2B~%C3%A4%3D");
        assert_eq!(encode("a/b", b"/"), "a/b");
        assert_eq!(hex(digest(&SHA256, b"").as_ref()), EMPTY);
    }
}
