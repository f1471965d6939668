//! HTTP: codings, chunks, labels, pieces.

use super::build::raw_deflate;
use super::rows::{Row, download, upload};
use icapstan_testkit::{brotli, clean_bytes, clean_text, deflate, eicar, gzip, zstd};

pub(super) fn rows() -> Vec<Row> {
    let bad = eicar;
    let skippable = [b"\x50\x2a\x4d\x18\x04\0\0\0skip".as_slice(), &zstd(&bad())].concat();
    let seven = (0..7).fold(bad(), |inner, _| gzip(&inner));
    vec![
        download("plain", bad()),
        download("plain, chunks of one byte", bad()).chunks_of(1),
        download("plain, as an upload", bad()).chunks_of(7),
        upload("upload", "application/octet-stream", bad()),
        download("labelled as a picture", bad()).content_type("image/png"),
        download("an error's page", bad()).start("HTTP/1.1 404 Not Found"),
        download("a failure's page", bad()).start("HTTP/1.1 503 Service Unavailable"),
        download("gzip", gzip(&bad())).coding("gzip"),
        download("gzip, chunks of three bytes", gzip(&bad())).coding("gzip").chunks_of(3),
        download("x-gzip, in capitals", gzip(&bad())).coding("X-GZIP"),
        download("deflate with zlib", deflate(&bad())).coding("deflate"),
        download("deflate without zlib", raw_deflate(&bad())).coding("deflate"),
        download("br", brotli(&bad())).coding("br"),
        download("zstd", zstd(&bad())).coding("zstd"),
        download("zstd behind a frame that is skipped", skippable).coding("zstd"),
        download("gzip, gzip", gzip(&gzip(&bad()))).coding("gzip, gzip"),
        download("br, gzip", gzip(&brotli(&bad()))).coding("br, gzip"),
        download("gzip and br in two lines", brotli(&gzip(&bad()))).coding("gzip").coding("br"),
        download("zstd, br, deflate, gzip", gzip(&deflate(&brotli(&zstd(&bad())))))
            .coding("zstd, br, deflate, gzip"),
        download("identity, gzip", gzip(&bad())).coding("identity, gzip"),
        download("gzip as a transfer coding", gzip(&bad())).field("Transfer-Encoding", "gzip, chunked"),
        download("deflate as a transfer coding", deflate(&bad())).field("Transfer-Encoding", "deflate"),
        download("br as a transfer coding", brotli(&bad())).field("Transfer-Encoding", "br;q=1, chunked"),
        download("br, and deflate as a transfer coding", deflate(&brotli(&bad())))
            .field("Transfer-Encoding", "deflate, chunked")
            .coding("br"),
        download("an unknown transfer coding", raw_deflate(&bad()))
            .field("Transfer-Encoding", "x-foo, chunked")
            .not_scanned("unsupported"),
        download("gzip seven times", seven).coding("gzip,gzip,gzip,gzip,gzip,gzip,gzip").not_scanned("depth"),
        download("gzip by the label only", bad()).coding("gzip"),
        download("br by the label only", bad()).coding("br"),
        download("zstd labelled as gzip", zstd(&bad())).coding("gzip"),
        download("gzip labelled as br", gzip(&bad())).coding("br"),
        download("gzip without a label", gzip(&bad())),
        download("zstd without a label", zstd(&bad())),
        download("an unknown coding", bad()).coding("x-foo"),
        download("gzip labelled as an unknown coding", gzip(&bad())).coding("x-foo"),
        download("gzip in two members", [gzip(&bad()), gzip(b"more")].concat()).coding("gzip"),
        download("gzip behind an empty member", [gzip(b""), gzip(&bad())].concat()).coding("gzip"),
        download("zstd in two frames", [zstd(&bad()), zstd(b"more")].concat()).coding("zstd"),
        download("gzip that breaks off", {
            let packed = gzip(&[bad(), clean_bytes(9000, 1)].concat());
            packed[..packed.len() - 9].to_vec()
        })
        .coding("gzip"),
        download("gzip with more behind it", [gzip(&bad()), clean_text(90)].concat()).coding("gzip"),
        download("a piece", bad())
            .start("HTTP/1.1 206 Partial Content")
            .field("Content-Range", "bytes 0-67/68"),
        download("a piece of it", &eicar()[9..])
            .start("HTTP/1.1 206 Partial Content")
            .field("Content-Range", "bytes 9-67/68")
            .not_scanned("partial-content"),
        download("several pieces, one of them it", {
            [b"--b\r\nContent-Range: bytes 0-67/999\r\n\r\n".as_slice(), &eicar(), b"\r\n--b--\r\n"].concat()
        })
        .start("HTTP/1.1 206 Partial Content")
        .content_type("multipart/byteranges; boundary=b"),
        upload("a piece, as an upload", "text/plain", &eicar()[9..])
            .field("Content-Range", "bytes 9-67/68")
            .not_scanned("partial-content"),
        download("more than is looked at", [eicar(), clean_bytes(11 << 20, 1)].concat()).not_scanned("size"),
    ]
}
