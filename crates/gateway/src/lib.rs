//! The ICAP transaction pipeline: preview, spool, scan, policy, answer.
