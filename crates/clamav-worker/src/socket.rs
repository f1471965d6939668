//! Packets with descriptors over a sequenced-packet Unix socket.

#![allow(unsafe_code, reason = "ancillary data of sendmsg and recvmsg")]

use icapstan_clamav_wire::MAX_RECORD;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

/// Descriptors taken from one packet; more make the packet invalid.
const MAX_FDS: usize = 4;

/// Room for the descriptors of one packet, aligned as a control message header must be.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// One packet.
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

/// The next packet, or nothing if the other end is closed. A packet that was cut is an error.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<Packet>> {
    let mut bytes = vec![0; MAX_RECORD + 1];
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();

    let count = loop {
        // SAFETY: the message points to one buffer and one control area, both alive and writable.
        let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC) };
        if let Ok(count) = usize::try_from(count) {
            break count;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    };
    // SAFETY: recvmsg filled the message, and the control area still lives.
    let fds = unsafe { take_fds(&message) };
    if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet was too large"));
    }
    if count == 0 && fds.is_empty() {
        return Ok(None);
    }
    bytes.truncate(count);
    Ok(Some(Packet { bytes, fds }))
}

/// Sends one packet, with a descriptor if one is given.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if let Some(fd) = fd {
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: arithmetic on a small constant; the area is larger than one descriptor needs and
        // aligned for its header.
        unsafe {
            let size = libc::c_uint::try_from(size_of::<RawFd>()).unwrap_or(4);
            message.msg_controllen = libc::CMSG_SPACE(size) as usize;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size) as usize;
            let bytes = fd.as_raw_fd().to_ne_bytes();
            libc::CMSG_DATA(header).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }
    loop {
        // SAFETY: the message points to one buffer and at most one control area, both alive.
        let count = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
        if count >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Takes over all descriptors of a received message, so that none can be lost.
///
/// # Safety
/// `message` was filled by `recvmsg`, and its control area is alive.
unsafe fn take_fds(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::with_capacity(MAX_FDS);
    // SAFETY: the headers and data that the macros yield lie within the control area; each
    // descriptor in SCM_RIGHTS data is open and now ours alone.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(header);
                let length = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
                for one in std::slice::from_raw_parts(data, length).chunks_exact(size_of::<RawFd>()) {
                    if let Ok(one) = one.try_into().map(RawFd::from_ne_bytes) {
                        fds.push(OwnedFd::from_raw_fd(one));
                    }
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    fds
}
