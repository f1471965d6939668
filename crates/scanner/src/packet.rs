//! Packets with at most one descriptor over sequenced-packet sockets, and waiting for them in threads.

use icapstan_clamav_wire::MAX_RECORD;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// One packet.
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fd: Option<OwnedFd>,
}

/// Both ends of a new connection. Ours never blocks; the other's does.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((ours, theirs))
}

/// Sends one packet at once or not at all.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = fd.map(|fd| [fd]);
    if let Some(fds) = &fds {
        let fits = control.push(SendAncillaryMessage::ScmRights(fds));
        debug_assert!(fits, "the space is made for one descriptor");
    }
    retry_on_intr(|| sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Takes one packet if there is one (else `WouldBlock`). `None`: the other end is closed.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<Packet>> {
    let mut bytes = vec![0; MAX_RECORD];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)
    });
    let received = match received {
        // The other end died with something unread; that is an end like any other.
        Err(Errno::CONNRESET) => return Ok(None),
        other => other?,
    };
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet was too large"));
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    bytes.truncate(received.bytes);
    Ok(Some(Packet { bytes, fd }))
}

/// Waits in this thread until `fd` can be read or is closed at the other end. `false`: not until `deadline`.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up, so that the last round does not spin.
        let left =
            Timespec::try_from(left + Duration::from_micros(1)).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
            Ok(0) if Instant::now() >= deadline => return Ok(false),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn a_packet_brings_its_descriptor_and_a_closed_end_is_no_error() {
        let (one, two) = pair().unwrap();
        assert_eq!(receive(one.as_fd()).err().unwrap().kind(), io::ErrorKind::WouldBlock);
        let (mut reader, mut writer) = io::pipe().unwrap();
        send(one.as_fd(), b"hello", Some(reader.as_fd())).unwrap();
        let packet = receive(two.as_fd()).unwrap().unwrap();
        assert_eq!(packet.bytes, b"hello");
        writer.write_all(b"x").unwrap();
        let mut byte = [0];
        std::fs::File::from(packet.fd.unwrap()).read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
        let _ = reader.read(&mut []);
        drop(two);
        assert!(wait_readable(one.as_fd(), Instant::now() + Duration::from_secs(5)).unwrap());
        assert!(receive(one.as_fd()).unwrap().is_none());
        assert!(send(one.as_fd(), b"hello", None).is_err());
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let (one, _two) = pair().unwrap();
        let begin = Instant::now();
        assert!(!wait_readable(one.as_fd(), begin + Duration::from_millis(20)).unwrap());
        assert!(begin.elapsed() >= Duration::from_millis(20));
    }
}
