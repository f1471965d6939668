//! ICAP connections on tokio: keep-alive, deadlines, drain.
