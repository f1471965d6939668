//! What each parser of hostile bytes must keep to, for fuzzers and for replays.
