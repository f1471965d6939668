//! Content codings and HTTP chunks, as an origin or a client would write them.

use std::io::Write;

/// As `Content-Encoding: gzip`.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// As `Content-Encoding: deflate`, which is the zlib format.
pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// As `Content-Encoding: br`.
pub fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    {
        let mut encoder = brotli::CompressorWriter::new(&mut encoded, 4096, 5, 22);
        encoder.write_all(bytes).expect("memory takes it");
    }
    encoded
}

/// As `Content-Encoding: zstd`.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// One chunk and the last one.
pub fn chunked(bytes: &[u8]) -> Vec<u8> {
    chunked_by(bytes, usize::MAX)
}

/// Chunks of `size` bytes and the last one.
pub fn chunked_by(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut framed = Vec::with_capacity(bytes.len() + 32);
    for chunk in bytes.chunks(size) {
        write!(framed, "{:x}\r\n", chunk.len()).expect("memory takes it");
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let text = crate::clean_text(100_000);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&gzip(&text)[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, text);
        back.clear();
        flate2::read::ZlibDecoder::new(&deflate(&text)[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, text);
        back.clear();
        brotli::Decompressor::new(&brotli(&text)[..], 4096).read_to_end(&mut back).unwrap();
        assert_eq!(back, text);
        back.clear();
        let encoded = zstd(&text);
        ruzstd::decoding::StreamingDecoder::new(&encoded[..]).unwrap().read_to_end(&mut back).unwrap();
        assert_eq!(back, text);
        assert!([gzip(&text), deflate(&text), brotli(&text), encoded].iter().all(|e| e.len() < text.len()));
    }

    #[test]
    fn chunks_are_framed_as_rfc2616_3_6_1_says() {
        assert_eq!(chunked(b""), b"0\r\n\r\n");
        assert_eq!(chunked_by(b"abcde", 2), b"2\r\nab\r\n2\r\ncd\r\n1\r\ne\r\n0\r\n\r\n");
    }
}
