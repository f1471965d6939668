//! Logs, metrics and the admin HTTP endpoint on its own thread.
