//! The targets, one file each.

mod answers;
mod codings;
mod config;
mod decoder;
pub(crate) mod gateway;
mod http_head;
mod layers;
mod multipart;
pub(crate) mod page;
pub(crate) mod policy;
mod quantities;
mod recoded;
mod records;
mod response;
mod session;
mod transaction;
mod transfer;
mod urlencoded;

pub use answers::answers;
pub use codings::codings;
pub use config::config;
pub use decoder::decoder;
pub use gateway::gateway;
pub use http_head::http_head;
pub use layers::layers;
pub use multipart::multipart;
pub use page::page;
pub use policy::policy;
pub use quantities::quantities;
pub use recoded::recoded;
pub use records::records;
pub use response::response;
pub use session::session;
pub use transaction::transaction;
pub use transfer::transfer;
pub use urlencoded::urlencoded;
