//! Messages between the processes of icapstan, as `proto/` describes them.
//!
//! Refuses to do: what they mean, and how they travel.

#![allow(unreachable_pub, reason = "generated code is public")]

// Generated code refers from package to package by this path.
mod icapstan {
    pub mod scan {
        pub mod v1 {
            #![allow(warnings, clippy::all, clippy::pedantic, missing_docs, reason = "it is generated")]
            tonic::include_proto!("icapstan.scan.v1");
        }
    }
    pub mod fleet {
        pub mod v1 {
            #![allow(warnings, clippy::all, clippy::pedantic, missing_docs, reason = "it is generated")]
            tonic::include_proto!("icapstan.fleet.v1");
        }
    }
}

/// What KEDA asks an external scaler: `externalscaler`.
pub mod externalscaler {
    #![allow(warnings, clippy::all, clippy::pedantic, missing_docs, reason = "it is generated")]
    tonic::include_proto!("externalscaler");
}

/// What gateways ask of scanners: `icapstan.scan.v1`.
pub use icapstan::scan::v1 as scan;

/// What gateways and scanners say of themselves: `icapstan.fleet.v1`.
pub use icapstan::fleet::v1 as fleet;
