//! Files, network and signals, by Landlock.

#![allow(unsafe_code, reason = "libc has no function that asks for Landlock's version")]

use icapstan_clamav_wire::Confinement;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope, make_bitflags,
};
use std::ffi::{CStr, OsStr};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// Everything of this version is forbidden, as far as the kernel knows it.
const NEWEST: ABI = ABI::V10;

/// `LANDLOCK_CREATE_RULESET_VERSION` of linux/landlock.h.
const ASK_VERSION: libc::c_ulong = 1;

/// What libclamav does in its temporary folder. It makes no links and no special files, and moves
/// nothing.
const IN_FOLDER: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | WriteFile | Truncate | ReadDir | MakeReg | MakeDir | RemoveFile | RemoveDir
});

pub(super) fn offered() -> Confinement {
    let version = version();
    [(1, Confinement::FILES), (4, Confinement::NETWORK), (6, Confinement::PROCESSES)]
        .into_iter()
        .filter(|(since, _)| version >= *since)
        .fold(Confinement::default(), |all, (_, one)| all.with(one))
}

/// From now on only what lies in the folder can be opened, made and removed. What is open stays open,
/// but cannot be opened again with other rights.
pub(super) fn enter(folder: &CStr) -> io::Result<()> {
    // A link in its place leads to somebody else's files.
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW)
        .open(OsStr::from_bytes(folder.to_bytes()))?;
    if version() < 1 {
        return Ok(());
    }
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rule(PathBeneath::new(folder, IN_FOLDER)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(io::Error::other)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(io::Error::other("the kernel has Landlock and does not apply it")),
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}

/// The version of Landlock's interface, or nothing above zero if the kernel, or what watches over this
/// container, has none.
fn version() -> libc::c_long {
    // SAFETY: without attributes only the version is asked for.
    unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            ASK_VERSION,
        )
    }
}
