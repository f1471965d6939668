//! What libclamav says while it scans.
//!
//! The functions here are called from C. They do not unwind: Rust ends the process if a panic would
//! leave an `extern "C"` function, and the supervisor sees the death.

#![allow(unsafe_code, reason = "pointers come in through the callbacks")]

use crate::ffi::{CL_BREAK, CL_SUCCESS, ClError};
use icapstan_clamav_wire::layers::{self, Kind, Shape};
use icapstan_clamav_wire::{Limits, Reply, ReplyFlags};
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};

/// Set by libclamav for a layer that is another view of its parent, not a part of it.
const NORMALIZED: u32 = 1;
/// What has this many bytes or fewer never becomes a layer.
const SMALLEST_LAYER: u64 = 5;
/// The names of types are constants of libclamav, and shorter than this.
const MAX_TYPE_NAME: usize = 64;

/// One scan, filled by the callbacks.
pub(crate) struct Scan {
    pub(crate) flags: ReplyFlags,
    pub(crate) layers: u32,
    pub(crate) names: Vec<Vec<u8>>,
    limits: Limits,
    /// The layers around the current one, outermost first.
    around: Vec<Around>,
}

struct Around {
    level: u32,
    size: u64,
    type_name: Vec<u8>,
    /// Whether it counts as a container.
    container: bool,
    shape: Shape,
    /// Members that libclamav announced and that are not too small to become layers.
    announced: u64,
    /// Layers directly inside.
    opened: u64,
}

// === impl Scan ===

impl Scan {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { flags: ReplyFlags::default(), layers: 0, names: Vec::new(), limits, around: Vec::new() }
    }

    /// Keeps a name once. If there are too many, the first ones are kept, except that a name of a
    /// signature takes the place of a heuristic one.
    pub(crate) fn found(&mut self, name: &[u8]) {
        let name = &name[..name.len().min(Reply::MAX_NAME)];
        if self.names.iter().any(|known| known == name) {
            return;
        }
        if self.names.len() < Reply::MAX_NAMES {
            self.names.push(name.to_vec());
        } else if !is_heuristic(name)
            && let Some(weak) = self.names.iter_mut().rev().find(|known| is_heuristic(known))
        {
            *weak = name.to_vec();
        }
    }

    /// To be called when the scan call came back.
    pub(crate) fn finish(&mut self) {
        self.leave(0);
        // Signatures first, else in the order in which they were found.
        self.names.sort_by_key(|name| is_heuristic(name));
    }

    pub(crate) fn flag(&mut self, flag: ReplyFlags) {
        self.flags = self.flags.with(flag);
    }

    /// Whether the layer is to be scanned.
    fn layer(&mut self, type_name: &[u8], bytes: &[u8], size: u64, level: u32, attributes: u32) -> bool {
        if level == 0 {
            self.flag(ReplyFlags::INSPECTED);
        }
        self.layers = self.layers.saturating_add(1);
        match layers::classify(type_name, bytes) {
            Kind::Ok => {}
            Kind::Unsupported => self.flag(ReplyFlags::UNSUPPORTED),
            Kind::Ignored => self.flag(ReplyFlags::IGNORED),
            Kind::Encrypted => self.flag(ReplyFlags::ENCRYPTED),
        }
        if size > self.limits.file_size {
            self.flag(ReplyFlags::SIZE);
        }

        self.leave(level);
        let is_part = attributes & NORMALIZED == 0;
        let depth = self.around.iter().filter(|around| around.container).count();
        let in_stream = self.around.last().is_some_and(|around| around.shape.stream);
        if let Some(parent) = self.around.last_mut()
            && is_part
        {
            parent.opened = parent.opened.saturating_add(1);
        }
        let shape = layers::shape(type_name);
        self.around.push(Around {
            level,
            size,
            type_name: type_name[..type_name.len().min(MAX_TYPE_NAME)].to_vec(),
            container: shape.container && is_part && !(in_stream && shape.joins_stream),
            shape,
            announced: 0,
            opened: 0,
        });

        if depth > self.limits.depth as usize {
            self.flag(ReplyFlags::DEPTH);
            return false;
        }
        if self.layers > self.limits.files.max(1) {
            self.flag(ReplyFlags::FILES);
            return false;
        }
        // The verdict stands. The object must not cost the rest of its time.
        self.names.iter().all(|name| is_heuristic(name))
    }

    /// Forgets the layers from a level on, having looked whether all their members were opened.
    fn leave(&mut self, level: u32) {
        while self.around.last().is_some_and(|around| around.level >= level) {
            let Some(left) = self.around.pop() else { return };
            if left.announced > left.opened.saturating_mul(u64::from(left.shape.announced)) {
                self.flag(ReplyFlags::UNSUPPORTED);
            }
        }
    }

    /// A member that the container of this type and size will now open.
    fn member(&mut self, container_type: &[u8], container_size: u64, size: u64, encrypted: bool) {
        // An executable can hold the four bytes of a zip header by chance, with any flags behind
        // them. Zip files are looked at as layers.
        if encrypted && container_type != b"CL_TYPE_ZIP" {
            self.flag(ReplyFlags::ENCRYPTED);
        }
        if encrypted || size <= SMALLEST_LAYER {
            return;
        }
        let container = self.around.iter_mut().rev().find(|around| {
            around.shape.announced > 0 && around.size == container_size && around.type_name == container_type
        });
        if let Some(container) = container {
            container.announced = container.announced.saturating_add(1);
        }
    }
}

/// Whether a name stands for a rule of thumb or a limit and not for a signature.
fn is_heuristic(name: &[u8]) -> bool {
    name.starts_with(b"Heuristics.")
}

/// `clcb_virus_found`
pub(crate) extern "C" fn on_virus(_: c_int, name: *const c_char, context: *mut c_void) {
    if name.is_null() {
        return;
    }
    // SAFETY: the context is the scan that `Engine::scan` lends for the call; libclamav passes a
    // string that ends with a zero byte.
    unsafe {
        if let Some(scan) = context.cast::<Scan>().as_mut() {
            scan.found(CStr::from_ptr(name).to_bytes());
        }
    }
}

/// `clcb_file_inspection`
pub(crate) extern "C" fn on_layer(
    _: c_int,
    file_type: *const c_char,
    _: *const *const c_char,
    _: usize,
    _: *const c_char,
    size: usize,
    bytes: *const c_char,
    level: u32,
    attributes: u32,
    context: *mut c_void,
) -> ClError {
    // SAFETY: the context is the scan that `Engine::scan` lends for the call; libclamav passes a
    // string that ends with a zero byte, and as many bytes as it says or a null pointer.
    unsafe {
        let Some(scan) = context.cast::<Scan>().as_mut() else { return CL_SUCCESS };
        let type_name = if file_type.is_null() { b"" } else { CStr::from_ptr(file_type).to_bytes() };
        let bytes = if bytes.is_null() || size == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(bytes.cast::<u8>(), size.min(isize::MAX as usize))
        };
        if scan.layer(type_name, bytes, size as u64, level, attributes) { CL_SUCCESS } else { CL_BREAK }
    }
}

/// `clcb_meta`
pub(crate) extern "C" fn on_member(
    container_type: *const c_char,
    container_size: c_ulong,
    _: *const c_char,
    size: c_ulong,
    encrypted: c_int,
    _: c_uint,
    context: *mut c_void,
) -> ClError {
    if container_type.is_null() {
        return CL_SUCCESS;
    }
    // SAFETY: the context is the scan that `Engine::scan` lends for the call; libclamav passes a
    // string that ends with a zero byte.
    unsafe {
        if let Some(scan) = context.cast::<Scan>().as_mut() {
            let container_type = CStr::from_ptr(container_type).to_bytes();
            scan.member(container_type, container_size, size, encrypted != 0);
        }
    }
    CL_SUCCESS
}
