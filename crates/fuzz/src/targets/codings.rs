//! Content codings.

use crate::input::Input;
use crate::panics;
use icapstan_unpack::{
    Budget, Codings, Decoded, Defect, FREE_OUTPUT, Input as Body, Output, Spill, decode, sniff,
};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Undoes a chain of codings: flags, the header field up to a NUL, then the body.
///
/// - No layer makes more than it may, by size and by ratio; where it would, a defect says so.
/// - Memory and file, as input and as output, come to the same.
/// - A whole body and a defect exclude each other; the first of several streams is a part of the output.
/// - With less room the output is the beginning of what it is with more.
pub fn codings(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let codings = match flags & 7 {
        0 => Codings::parse(&String::from_utf8_lossy(input.text())),
        other => Codings::parse(CHAINS[usize::from(other) - 1]),
    };
    let body = input.rest();
    let max_output = [1 << 12, 1 << 21][usize::from(flags >> 3 & 1)];
    let max_ratio = [1, 100][usize::from(flags >> 4 & 1)];
    panics::tolerate(|| {
        let (output, defect, len) = undo(Body::Memory(body), &codings, max_output, max_ratio);
        if codings.is_identity() {
            assert!(output.is_none() && defect.is_none());
        }
        let by_ratio = (body.len() as u64).saturating_mul(max_ratio.into()).max(FREE_OUTPUT);
        let single = codings.as_slice().len() <= 1;
        assert!(len <= max_output, "{len}");
        assert!(!single || output.is_none() || len <= by_ratio);
        if flags & 32 != 0 {
            assert_eq!(from_file(body, &codings, max_output, max_ratio), (output.clone(), defect));
        }
        if flags & 64 != 0 {
            let (less, defect_of_less, _) = undo(Body::Memory(body), &codings, 100, max_ratio);
            if let (Some(less), Some(more)) = (&less, &output) {
                assert!(!single || more.starts_with(less));
                assert!(!single || more.len() <= 100 || less.len() == 100 && defect_of_less.is_some());
            }
        }
    });
    let _ = sniff(body).map(|coding| assert!(coding.can_be_undone()));
}

const CHAINS: [&str; 7] = ["gzip", "deflate", "br", "zstd", "zstd", "gzip, zstd", "deflate, br, gzip"];

type Undone = (Option<Vec<u8>>, Option<Defect>);

fn budget(max_output: u64, max_ratio: u32) -> Budget {
    let deadline = Instant::now() + Duration::from_mins(1);
    Budget { max_output, max_ratio, deadline, max_codings: 5, cancelled: std::sync::Arc::default() }
}

/// The output, if any coding was undone; what stands in the way; and the length.
fn undo(
    body: Body<'_>,
    codings: &Codings,
    max_output: u64,
    max_ratio: u32,
) -> (Option<Vec<u8>>, Option<Defect>, u64) {
    let mut refuse = || -> std::io::Result<File> { panic!("what may stay in memory stays there") };
    let threshold = usize::try_from(max_output).unwrap_or(usize::MAX);
    let mut spill = Spill { threshold, create: &mut refuse };
    let decoded = decode(body, codings, &budget(max_output, max_ratio), &mut spill).expect("no file is used");
    if let Decoded::Complete { output, first_len: Some(first), .. } = &decoded {
        assert!(*first > 0 && *first < output.len(0));
    }
    let (output, defect) = decoded.into_parts();
    assert_ne!(defect, Some(Defect::Deadline), "a minute is enough for anything");
    let len = if matches!(output, Output::Same) { 0 } else { output.len(0) };
    let bytes = match output {
        Output::Same => None,
        Output::Memory(bytes) => Some(bytes),
        Output::File { .. } => panic!("memory is enough"),
    };
    (bytes, defect, len)
}

fn from_file(body: &[u8], codings: &Codings, max_output: u64, max_ratio: u32) -> Undone {
    let mut file = tempfile::tempfile().expect("a folder for files");
    file.write_all(body).expect("room for a small file");
    let mut create = tempfile::tempfile;
    let mut spill = Spill { threshold: 10, create: &mut create };
    let body = Body::File { file: &file, len: body.len() as u64 };
    let decoded = decode(body, codings, &budget(max_output, max_ratio), &mut spill).expect("files work");
    let (output, defect) = decoded.into_parts();
    let bytes = match output {
        Output::Same => None,
        Output::Memory(bytes) => {
            assert!(bytes.len() <= 10);
            Some(bytes)
        }
        Output::File { file, len } => {
            let mut bytes = vec![0; usize::try_from(len).expect("small")];
            file.read_exact_at(&mut bytes, 0).expect("was written");
            assert_eq!(file.metadata().expect("open").len(), len);
            Some(bytes)
        }
    };
    (bytes, defect)
}
