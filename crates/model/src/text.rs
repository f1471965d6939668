//! What text from elsewhere may do to its readers.

/// Whether a character is invisible or changes how others are arranged: control characters, and those that
/// Unicode calls `Default_Ignorable_Code_Point`, `Bidi_Control` or noncharacter (Unicode Character Database,
/// PropList.txt and DerivedCoreProperties.txt).
pub fn is_deceptive(c: char) -> bool {
    let code = u32::from(c);
    c.is_control()
        || matches!(code,
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfdd0..=0xfdef
            | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
        || code & 0xfffe == 0xfffe
}
