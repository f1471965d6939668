//! What is simulated: a fleet, a load, and what goes wrong when.

use crate::load::Curve;

/// A fleet, a load, and what goes wrong.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many gateways there are.
    pub gateways: usize,
    /// How many scanners there are at the start.
    pub scanners: usize,
    /// Workers of each; one more for cheap objects comes on top.
    pub workers: usize,
    /// How many jobs may wait at a scanner.
    pub queue_length: usize,
    /// Gateways and scanners are spread over so many zones.
    pub zones: usize,
    /// How many virtual seconds jobs come.
    pub seconds: u64,
    /// How many come.
    pub curve: Curve,
    /// Each of these happens at a virtual second.
    pub faults: Vec<(u64, Fault)>,
    /// Who makes more scanners, and fewer.
    pub scaling: Option<Scaling>,
    /// How many virtual milliseconds a scanner takes to be ready.
    pub start_ms: u64,
    /// What share of packets is lost.
    pub loss: f64,
    /// Gateways do not look at the load: any scanner will do. To compare with.
    pub is_blind: bool,
}

/// What goes wrong, or is done.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The first so many scanners take so many times as long from now on.
    Slow(usize, f64),
    /// The first so many are stopped: connections stay, nothing comes.
    Stop(usize),
    /// The first so many take jobs and answer pings, and that is all.
    Hang(usize),
    /// All that are stopped or hang go on; those that hang as new processes.
    Resume,
    /// The first so many die and start again.
    Crash(usize),
    /// Every scanner is replaced by a new one, so many at a time; the old ones are drained.
    Roll(usize),
    /// The first gateways cannot reach the first scanners.
    Cut {
        /// So many gateways.
        gateways: usize,
        /// So many scanners.
        scanners: usize,
    },
    /// Everybody can reach everybody again.
    Heal,
}

/// What an autoscaler goes by.
#[derive(Clone, Copy, Debug)]
pub struct Scaling {
    /// What it looks at.
    pub signal: Signal,
    /// How much of that each scanner should have.
    pub target: f64,
    /// How often it looks, in virtual milliseconds.
    pub period_ms: u64,
    /// It shrinks the fleet only to the most that was wanted in this time.
    pub down_window_ms: u64,
    /// No fewer.
    pub least: usize,
    /// No more.
    pub most: usize,
}

/// What an autoscaler looks at, summed over all scanners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Seconds that one worker would take for all that is under way and waits, as scanners estimate it.
    Work,
    /// Workers that are busy, and those that would do within five seconds what waits.
    Demand,
}

// === impl Plan ===

impl Plan {
    /// A fleet without faults at 60 % of what it can do.
    pub fn new(gateways: usize, scanners: usize, seconds: u64) -> Self {
        Self {
            gateways,
            scanners,
            workers: 2,
            queue_length: 1_000,
            zones: 1,
            seconds,
            curve: Curve::Flat(0.6),
            faults: Vec::new(),
            scaling: None,
            start_ms: 3_000,
            loss: 0.001,
            is_blind: false,
        }
    }
}
