//! The operator's parts against a real API server.

mod one_operator_leads;
