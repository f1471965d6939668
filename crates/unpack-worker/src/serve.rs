//! One container after the other.

use crate::formats;
use crate::members::Members;
use crate::socket;
use icapstan_unpack::{Container, Gap, Handed, MemberLimits, Order};
use std::fs::File;
use std::io::{self, Seek as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A tar archive is told by its 257th byte.
const HEAD: usize = 512;

/// Until the scanner closes the socket.
pub(crate) fn serve(socket: BorrowedFd<'static>) -> io::Result<()> {
    while let Some((record, file)) = socket::receive(socket)? {
        let odd = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        match (Order::decode(&record), file) {
            (Ok(Order::Open { id, limits }), Some(file)) => {
                let gaps = take_apart(socket, id, limits, &File::from(file))?;
                socket::send(socket, &Handed::Done { id, gaps }.encode(), None)?;
            }
            // Of the last member of a container that is done with.
            (Ok(Order::More { .. }), None) => {}
            _ => return Err(odd("a record that is none")),
        }
    }
    Ok(())
}

fn take_apart(
    socket: BorrowedFd<'static>,
    id: u64,
    limits: MemberLimits,
    mut file: &File,
) -> io::Result<icapstan_unpack::Gaps> {
    let members = Members::new(socket, id, limits);
    let mut head = [0; HEAD];
    let len = file.read_at(&mut head, 0)?;
    // Whoever wrote it left off at its end.
    file.rewind()?;
    let opened = catch_unwind(AssertUnwindSafe(|| match Container::of(&head[..len]) {
        Some(container) => formats::open(container, file, &members),
        None => members.gap(Gap::Unsupported),
    }));
    if opened.is_err() {
        members.gap(Gap::Malformed);
    }
    members.finish()
}
