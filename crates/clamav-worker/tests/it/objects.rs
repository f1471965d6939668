//! Objects to scan, made here.

/// A zip file whose members are stored.
pub(crate) fn stored_zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let members: Vec<_> = members.iter().map(|(name, data)| (*name, 0, *data, data.len())).collect();
    zip(&members)
}

/// A zip file of members that are packed already: name, method, packed bytes, length unpacked.
pub(crate) fn zip(members: &[(&str, u16, &[u8], usize)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, method, data, length) in members {
        let mut shared = vec![20, 0, 0, 0];
        shared.extend(method.to_le_bytes());
        shared.extend([0; 8]);
        for size in [data.len(), *length] {
            shared.extend(u32::try_from(size).unwrap().to_le_bytes());
        }
        shared.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        shared.extend([0, 0]);

        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&shared);
        directory.extend([0; 10]);
        directory.extend(u32::try_from(file.len()).unwrap().to_le_bytes());
        directory.extend(name.as_bytes());

        file.extend(b"PK\x03\x04");
        file.extend(&shared);
        file.extend(name.as_bytes());
        file.extend(*data);
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let start = file.len();
    file.extend(&directory);
    file.extend(b"PK\x05\x06\x00\x00\x00\x00");
    file.extend([count, count].concat());
    for number in [directory.len(), start] {
        file.extend(u32::try_from(number).unwrap().to_le_bytes());
    }
    file.extend([0, 0]);
    file
}

/// Zip files inside each other around the content, this many.
pub(crate) fn nested(content: &[u8], depth: usize) -> Vec<u8> {
    (0..depth).fold(content.to_vec(), |inner, _| stored_zip(&[("inner.zip", &inner)]))
}

/// A deflate stream of 1 + 258 * `runs` zeros.
pub(crate) fn deflated_zeros(runs: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    // The last block, with the fixed codes.
    bits.put(&[1, 1, 0]);
    // The literal 0.
    bits.put(&[0, 0, 1, 1, 0, 0, 0, 0]);
    for _ in 0..runs {
        // Length 258, distance 1.
        bits.put(&[1, 1, 0, 0, 0, 1, 0, 1]);
        bits.put(&[0; 5]);
    }
    bits.put(&[0; 7]);
    bits.bytes
}

/// A 7z file with two members of text, packed with PPMd by py7zr 1.1.
pub(crate) fn seven_zip_ppmd() -> Vec<u8> {
    const HEX: &str = "\
        377abcaf271c00048151ca3b9200000000000000140000000000000081ba54e30077fe14dc87a7e8a903777a5af09cce\
        b2b5189af4e64b696f5b460e726ae8cd3af1ba1a4a6eea28514f2f24590000000000e0006000585d0000813307ae0fd1\
        1f1934a090a077b0fefafe2ed6aa371ea593700d7db5d4e18b6862008d7db0b54af9cec1382e0fa5f4496224570bafb1\
        e78d5a32ef2a3abb8745145836b52af87a5cfeaca87d446bebc219b7962ded00000017063201096000070b0100012121\
        01180c610000";
    HEX.as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

// === impl Bits ===

impl Bits {
    fn put(&mut self, bits: &[u8]) {
        for bit in bits {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= bit << (self.used % 8);
            self.used += 1;
        }
    }
}
