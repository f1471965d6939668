//! Bombs, and all that a budget stops.

use super::*;
use crate::FREE_OUTPUT;

/// The longest that anything here may take, on a slow machine without optimisation.
const SOON: Duration = Duration::from_secs(10);

#[track_caller]
fn stopped(body: &[u8], codings: &[Coding], budget: &Budget) -> (u64, Defect) {
    let started = Instant::now();
    let decoded = run_with(body, &Codings::new(codings), budget);
    assert!(started.elapsed() < SOON, "took {:?}", started.elapsed());
    let Decoded::Incomplete { output, defect, .. } = decoded else {
        panic!("taken for complete");
    };
    (output.len(body.len() as u64), defect)
}

#[test]
fn the_output_limit_is_exact() {
    let data = text(100_000);
    for coding in ALL {
        let body = encode(coding, &data);
        let exact = Budget { max_output: 100_000, ..budget() };
        assert!(matches!(run_with(&body, &Codings::new(&[coding]), &exact), Decoded::Complete { .. }));
        let less = Budget { max_output: 99_999, ..budget() };
        assert_eq!(stopped(&body, &[coding], &less), (99_999, Defect::OutputLimit));
        let none = Budget { max_output: 0, ..budget() };
        assert_eq!(stopped(&body, &[coding], &none).1, Defect::OutputLimit);
    }
}

#[test]
fn bombs_stop_at_the_ratio() {
    let zeros = vec![0; 64 << 20];
    let budget = Budget { max_ratio: 50, max_output: u64::MAX, ..budget() };
    for coding in ALL {
        let body = encode(coding, &zeros);
        let limit = (body.len() as u64 * 50).max(FREE_OUTPUT);
        assert_eq!(stopped(&body, &[coding], &budget), (limit, Defect::RatioLimit), "{coding:?}");
    }
}

#[test]
fn a_bomb_in_a_bomb_stops_at_the_ratio_of_its_layer() {
    let inner = gzip(&vec![0; 64 << 20]);
    let body = gzip(&inner);
    assert!(body.len() * 20 < inner.len());
    let budget = Budget { max_ratio: 500, max_output: u64::MAX, ..budget() };
    let (len, defect) = stopped(&body, &[Coding::Gzip, Coding::Gzip], &budget);
    assert_eq!(defect, Defect::RatioLimit);
    assert!(len <= inner.len() as u64 * 500);
}

#[test]
fn small_bodies_may_have_any_ratio() {
    let data = vec![b' '; 1 << 20];
    let budget = Budget { max_ratio: 1, ..budget() };
    for coding in ALL {
        let body = encode(coding, &data);
        assert!(
            matches!(run_with(&body, &Codings::new(&[coding]), &budget), Decoded::Complete { .. }),
            "{coding:?}"
        );
    }
}

#[test]
fn a_sparse_start_does_not_spoil_a_dense_body() {
    // 4 MiB of zeros, then noise that does not compress: 1:5 over all, 1:1000 at first.
    let mut data = vec![0; 4 << 20];
    let mut state = 1u64;
    data.extend((0..1 << 20).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    }));
    let budget = Budget { max_ratio: 10, ..budget() };
    for coding in ALL {
        let body = encode(coding, &data);
        assert!(
            matches!(run_with(&body, &Codings::new(&[coding]), &budget), Decoded::Complete { .. }),
            "{coding:?}"
        );
    }
}

#[test]
fn a_brotli_bomb_of_one_to_a_hundred_thousand_stops() {
    let mut body = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 9, lgwin: 24, ..Default::default() };
    brotli::BrotliCompress(&mut io::Read::take(io::repeat(0), 128 << 20), &mut body, &params).unwrap();
    assert!(body.len() * 100_000 < 128 << 20, "the bomb is {} bytes", body.len());
    let budget = Budget { max_ratio: 1000, max_output: u64::MAX, ..budget() };
    let (len, defect) = stopped(&body, &[Coding::Brotli], &budget);
    assert_eq!(defect, Defect::RatioLimit);
    assert!(len <= FREE_OUTPUT.max(body.len() as u64 * 1000));
}

#[test]
fn a_zstd_bomb_of_run_length_blocks_stops() {
    // Window 8 MiB, then blocks of 4 bytes that each stand for 128 KiB.
    let mut body = b"\x28\xb5\x2f\xfd\x00\x68".to_vec();
    let block = block_header(128 * 1024, 1, false);
    for _ in 0..100_000 {
        body.extend_from_slice(&block);
        body.push(b'A');
    }
    let budget = Budget { max_output: 10 << 20, max_ratio: u32::MAX, ..budget() };
    assert_eq!(stopped(&body, &[Coding::Zstd], &budget), (10 << 20, Defect::OutputLimit));
}

#[test]
fn a_zstd_block_that_makes_gigabytes_is_malformed() {
    // 60,000 sequences of 131,074 bytes each in one block of 120 kB. RFC 8878 section 3.1.1.2.4 allows
    // a block no more than 128 KiB of output.
    let mut body = b"\x28\xb5\x2f\xfd\x00\x58".to_vec();
    body.extend_from_slice(&block_header(8, 0, false));
    body.extend_from_slice(b"ABCDEFGH");
    let mut block = vec![1 << 3, b'A', 0xff];
    block.extend_from_slice(&(60_000u16 - 0x7f00).to_le_bytes());
    // All codes by run length: no literals, the repeated offset, the longest match.
    block.extend_from_slice(&[0b0101_0100, 0, 0, 52]);
    block.resize(block.len() + 120_000, 0xff);
    block.push(1);
    body.extend_from_slice(&block_header(block.len(), 2, true));
    body.extend_from_slice(&block);
    let (len, defect) = stopped(&body, &[Coding::Zstd], &Budget { max_ratio: u32::MAX, ..budget() });
    assert_eq!(defect, Defect::Malformed);
    assert!((8..1 << 20).contains(&len), "{len}");
}

#[test]
fn large_windows_are_refused() {
    let data = text(100);
    // Window descriptors of 8 MiB, 9 MiB and the largest there is.
    for (descriptor, allowed) in [(0x68, true), (0x69, false), (0xff, false)] {
        let mut body = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, descriptor];
        body.extend_from_slice(&block_header(100, 0, true));
        body.extend_from_slice(&data);
        if allowed {
            assert_eq!(complete(&body, &[Coding::Zstd]), data);
        } else {
            assert_eq!(incomplete(&body, &[Coding::Zstd]), (body.clone(), Defect::WindowLimit));
        }
    }
    // A single segment of 2^62 bytes.
    let body = [&b"\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x40"[..], b"\x01\0\0"].concat();
    assert_eq!(incomplete(&body, &[Coding::Zstd]), (body.clone(), Defect::WindowLimit));

    let mut large = Vec::new();
    let params =
        brotli::enc::BrotliEncoderParams { quality: 5, lgwin: 26, large_window: true, ..Default::default() };
    brotli::BrotliCompress(&mut &data[..], &mut large, &params).unwrap();
    assert_eq!(incomplete(&large, &[Coding::Brotli]), (large.clone(), Defect::Malformed));
}

#[test]
fn a_passed_deadline_stops_at_once() {
    let body = gzip(&text(1_000_000));
    let budget = Budget { deadline: Instant::now(), ..budget() };
    for coding in ALL {
        assert_eq!(stopped(&body, &[coding], &budget), (0, Defect::Deadline));
    }
}

#[test]
fn who_cancels_from_another_thread_stops_data_that_yields_nothing() {
    let body = gzip(b"").repeat((100 << 20) / gzip(b"").len());
    let budget = budget();
    let cancelled = budget.cancelled.clone();
    let begin = Instant::now();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(stopped(&body, &[Coding::Gzip], &budget), (0, Defect::Deadline));
    assert!(begin.elapsed() < Duration::from_secs(30), "long before the deadline");
    stopper.join().unwrap();
}

#[test]
fn a_deadline_stops_data_that_yields_nothing() {
    let empty_member = gzip(b"");
    let skippable = b"\x50\x2a\x4d\x18\x00\x00\x00\x00";
    // Empty blocks of raw deflate.
    let stored = b"\x00\x00\x00\xff\xff";
    let endless = [
        (Coding::Gzip, empty_member.as_slice()),
        (Coding::Zstd, skippable.as_slice()),
        (Coding::Deflate, stored.as_slice()),
        // Metadata blocks without content; the first byte names a window of 16 bits, too.
        (Coding::Brotli, b"\x06"),
    ];
    for (coding, piece) in endless {
        let mut body = piece.repeat((100 << 20) / piece.len());
        if coding == Coding::Brotli {
            body[0] = 0x0c;
        }
        let budget = Budget { deadline: Instant::now() + Duration::from_millis(20), ..budget() };
        let (len, defect) = stopped(&body, &[coding], &budget);
        assert_eq!((len, defect), (0, Defect::Deadline), "{coding:?}");
    }
}

#[test]
fn a_chain_longer_than_allowed_is_not_begun() {
    let mut body = text(100);
    for _ in 0..6 {
        body = gzip(&body);
    }
    let six = [Coding::Gzip; 6];
    let decoded = run_with(&body, &Codings::new(&six), &Budget { max_codings: 5, ..budget() });
    assert!(matches!(
        decoded,
        Decoded::Incomplete { output: Output::Same, defect: Defect::TooManyCodings, .. }
    ));
    let decoded = run_with(&body, &Codings::new(&six), &Budget { max_codings: 6, ..budget() });
    assert!(matches!(decoded, Decoded::Complete { .. }));
}

#[test]
fn fifty_codings_are_too_many_whatever_the_budget_says() {
    let codings = Codings::parse(&["gzip"; 50].join(","));
    let budget = Budget { max_codings: usize::MAX, ..budget() };
    let Decoded::Incomplete { defect, .. } = run_with(b"", &codings, &budget) else {
        panic!("taken for complete");
    };
    assert_eq!(defect, Defect::TooManyCodings);
}

/// Panics with the third step.
struct Fragile(u32);

impl Engine for Fragile {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> engine::Step {
        self.0 += 1;
        assert!(self.0 < 3, "on purpose");
        out[0] = input[0];
        engine::Step { taken: 1, made: 1, fault: None }
    }

    fn end(&self) -> Option<Defect> {
        None
    }
}

#[test]
fn a_decoder_that_panics_costs_its_body_only() {
    use stream::Stream;
    let budget = budget();
    let mut layer = Layer::new(stream::source(Input::Memory(b"abcdef")), Box::new(Fragile(0)), &budget);
    let mut seen = Vec::new();
    loop {
        let bytes = layer.fill().unwrap();
        let count = bytes.len();
        if count == 0 {
            break;
        }
        seen.extend_from_slice(bytes);
        layer.consume(count);
    }
    assert_eq!((seen.as_slice(), layer.defect()), (&b"ab"[..], Some(Defect::Malformed)));
}
