//! What the directory of a zip file tells.

use crate::input::Input;
use icapstan_unpack::{Gap, Input as Source, ZipCheck, ZipLimits, zip_check as check};

const AMPLE: ZipLimits =
    ZipLimits { max_members: u32::MAX, max_member: u64::MAX, max_total: u64::MAX, max_ratio: u32::MAX };

/// Looks at any bytes; or builds a zip file and looks at that.
///
/// - With ample limits there is neither a number nor a size to complain of, and with less ample ones never less.
/// - A bomb is malformed.
/// - A zip file as writers build it has too many members, or too large ones, exactly if it has, whatever stands in front of it.
/// - Two members that share one byte are told.
pub fn zip_check(data: &[u8]) {
    let look = |bytes: &[u8], limits: &ZipLimits| {
        check(Source::Memory(bytes), limits).expect("there is nothing to read that could fail")
    };
    let mut input = Input::new(data);
    let limits = ZipLimits {
        max_members: u32::from(input.byte()),
        max_member: u64::from(input.byte()),
        max_total: u64::from(input.word()),
        max_ratio: u32::from(input.byte()),
    };
    let built = Built::of(&mut input.clone());
    any(&input.rest(), &limits, look);

    let whole = built.bytes();
    let found = look(&whole, &limits).expect("it has a directory");
    let counted = built.lens.iter().filter(|&&len| len > 5).count() as u64;
    let looked_at = counted.min(u64::from(limits.max_members) + 1);
    let seen = || built.lens.iter().filter(|&&len| len > 5).take(usize::try_from(looked_at).expect("few"));
    let is_large = seen().any(|&len| u64::from(len) > limits.max_member)
        || seen().map(|&len| u64::from(len)).sum::<u64>() > limits.max_total;
    assert_eq!(found.gaps.has(Gap::Count), counted > u64::from(limits.max_members));
    assert_eq!(found.gaps.has(Gap::Size), is_large);
    assert!(!found.gaps.has(Gap::Malformed) && !found.is_bomb);
    assert_eq!(look(&whole, &AMPLE), Some(ZipCheck::default()));
    if built.lens.len() > 1 {
        let shared = Built { shift: 1, ..built };
        let found = look(&shared.bytes(), &AMPLE).expect("it has a directory");
        assert!(found.gaps.has(Gap::Malformed));
    }
}

fn any(bytes: &&[u8], limits: &ZipLimits, look: impl Fn(&[u8], &ZipLimits) -> Option<ZipCheck>) {
    let (less, ample) = (look(bytes, limits), look(bytes, &AMPLE));
    assert_eq!(less.is_some(), ample.is_some());
    let (Some(less), Some(ample)) = (less, ample) else { return };
    assert!(!ample.gaps.has(Gap::Count) && !ample.gaps.has(Gap::Size));
    assert!(less.gaps.has(Gap::Count) || less.gaps.has(Gap::Malformed) == ample.gaps.has(Gap::Malformed));
    assert!(!less.is_bomb || less.gaps.has(Gap::Malformed));
}

/// A zip file of stored members.
#[derive(Debug)]
struct Built {
    front: usize,
    lens: Vec<u8>,
    /// All but the first member are said to begin so much earlier.
    shift: u32,
}

// === impl Built ===

impl Built {
    fn of(input: &mut Input<'_>) -> Self {
        let front = usize::from(input.byte());
        let count = usize::from(input.byte() % 20) + 1;
        Self { front, lens: input.take(count).iter().copied().chain([9]).collect(), shift: 0 }
    }

    fn bytes(&self) -> Vec<u8> {
        let (mut file, mut directory) = (Vec::new(), Vec::new());
        for (index, &len) in self.lens.iter().enumerate() {
            let offset = u32::try_from(file.len()).expect("small");
            let offset = offset - if index > 0 { self.shift } else { 0 };
            let size = u32::from(len).to_le_bytes();
            let common =
                [&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x28, 1, 2, 3, 4][..], &size, &size, &[0; 4]].concat();
            file.extend([b"PK\x03\x04", &common[..], &vec![b'x'; usize::from(len)]].concat());
            directory.extend([b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &offset.to_le_bytes()].concat());
        }
        let count = [u8::try_from(self.lens.len()).expect("few"), 0];
        let numbers =
            [directory.len(), file.len()].map(|len| u32::try_from(len).expect("small").to_le_bytes());
        let end = [b"PK\x05\x06\0\0\0\0", &count[..], &count, &numbers.concat(), &[0, 0]].concat();
        [vec![b'.'; self.front], file, directory, end].concat()
    }
}
