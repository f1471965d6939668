//! Sizes and times as people write them.

use icapstan_api::{ByteSize, format_duration, parse_duration};
use std::time::Duration;

/// Reads a size and a time.
///
/// - What was read is written so that it reads as the same.
/// - A message about what cannot be read is short.
pub fn quantities(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.parse::<ByteSize>() {
        Ok(size) => assert_eq!(size.to_string().parse(), Ok(size)),
        Err(error) => assert!(error.to_string().len() < 400),
    }
    match parse_duration(&text) {
        Ok(time) => assert_eq!(parse_duration(&format_duration(time)), Ok(time)),
        Err(error) => assert!(error.to_string().len() < 400),
    }
    if let Some(bytes) = data.first_chunk() {
        let number = u64::from_le_bytes(*bytes);
        let size = ByteSize::new(number);
        assert_eq!(size.to_string().parse(), Ok(size));
        let time = Duration::from_millis(number);
        assert_eq!(parse_duration(&format_duration(time)), Ok(time));
    }
}
