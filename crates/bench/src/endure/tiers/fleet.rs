//! Gateways and scanners of this machine, each with an address that it keeps, and what became of those that were killed.

use super::super::server::{CONFIG_SERVICES, metric};
use super::super::tree::{Tree, group_size};
use super::deaths::Death;
use crate::context::{Context, last_lines};
use crate::daemon::Daemon;
use crate::icapstan::{command, is_ready};
use crate::sigdb::{self, Plan, Preset};
use anyhow::{Context as _, bail};
use icapstan_testkit::Signal;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Which kind of member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::endure) enum Tier {
    Gateway,
    Scanner,
}

/// All of them.
pub(in crate::endure) struct Fleet<'c> {
    context: &'c Context,
    folder: PathBuf,
    gateways: Vec<Member>,
    scanners: Vec<Member>,
    /// How gateways reach the first scanner, where that is not its own address.
    detour: Option<SocketAddr>,
    graves: Vec<Grave>,
    orphaned: Duration,
    /// For each death, when the next one in that place was ready.
    back: Vec<Option<Duration>>,
}

/// One of them.
struct Member {
    process: Daemon,
    listen: SocketAddr,
    admin: SocketAddr,
    /// Of which death it is the consequence, while it is not ready yet; and since when times count.
    awaited: Option<(usize, Instant)>,
}

/// One that was killed. As long as its handle is kept, its number means nobody else.
struct Grave {
    process: Daemon,
    since: Instant,
}

/// How long all may take until they are ready.
const START: Duration = Duration::from_mins(1);
/// How long a member may take to end in order.
const STOP: Duration = Duration::from_secs(30);
/// Below the ports that the system gives to clients: somebody's connection may not take the place of a member that is down.
const PORTS: std::ops::Range<u16> = 17_000..32_000;

// === impl Fleet ===

impl<'c> Fleet<'c> {
    /// Starts them, scanners first, and waits until all are ready.
    pub(in crate::endure) fn start(
        context: &'c Context,
        gateways: usize,
        scanners: usize,
    ) -> anyhow::Result<Self> {
        Self::start_by(context, gateways, scanners, |_| None)
    }

    /// The same; gateways reach the first scanner where `detour` says.
    pub(in crate::endure) fn start_by(
        context: &'c Context,
        gateways: usize,
        scanners: usize,
        detour: impl FnOnce(SocketAddr) -> Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let folder = context.subfolder("tiers")?;
        sigdb::write(&folder.join("signatures"), &Plan::preset(Preset::Tiny, None)?)?;
        let config = format!(
            "{CONFIG_SERVICES}scanner: {{workers: 1, tempDir: {}}}\nverdictCache: {{enabled: false}}\n\
             log: {{level: warn, format: json}}\n",
            folder.display()
        );
        std::fs::write(folder.join("icapstan.yaml"), config)?;
        let mut ports = Ports(PORTS);
        let mut fleet = Self {
            context,
            folder,
            gateways: Vec::new(),
            scanners: Vec::new(),
            detour: None,
            graves: Vec::new(),
            orphaned: Duration::ZERO,
            back: Vec::new(),
        };
        for _ in 0..scanners {
            fleet.add(Tier::Scanner, &mut ports)?;
        }
        fleet.detour = fleet.scanners.first().and_then(|first| detour(first.listen));
        fleet.until_all_are_ready()?;
        for _ in 0..gateways {
            fleet.add(Tier::Gateway, &mut ports)?;
        }
        fleet.until_all_are_ready()?;
        Ok(fleet)
    }

    fn add(&mut self, tier: Tier, ports: &mut Ports) -> anyhow::Result<()> {
        let (listen, admin) = (ports.next()?, ports.next()?);
        let process = self.spawn(tier, listen, admin);
        self.members_mut(tier).push(Member { process, listen, admin, awaited: None });
        Ok(())
    }

    fn spawn(&self, tier: Tier, listen: SocketAddr, admin: SocketAddr) -> Daemon {
        let config = self.folder.join("icapstan.yaml");
        let (name, option, value) = match tier {
            Tier::Scanner => {
                ("scanner", "--signatures", self.folder.join("signatures").display().to_string())
            }
            Tier::Gateway => {
                let own = self.scanners.iter().map(|scanner| scanner.listen);
                let reached = self.detour.into_iter().chain(own.skip(usize::from(self.detour.is_some())));
                ("gateway", "--scanner", reached.map(|at| at.to_string()).collect::<Vec<_>>().join(","))
            }
        };
        let mut command = command(self.context, name, listen, admin, &config);
        command.args([option, &value]);
        Daemon::start(name, command)
    }

    fn until_all_are_ready(&self) -> anyhow::Result<()> {
        for member in self.members() {
            self.context
                .wait(&member.process, START, || is_ready(member.admin).then_some(()))
                .context("a member is not ready")?;
        }
        Ok(())
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        self.gateways.iter().chain(&self.scanners)
    }

    fn of(&self, tier: Tier) -> &[Member] {
        match tier {
            Tier::Gateway => &self.gateways,
            Tier::Scanner => &self.scanners,
        }
    }

    fn members_mut(&mut self, tier: Tier) -> &mut Vec<Member> {
        match tier {
            Tier::Gateway => &mut self.gateways,
            Tier::Scanner => &mut self.scanners,
        }
    }

    /// How many of that kind there are.
    pub(in crate::endure) fn len(&self, tier: Tier) -> usize {
        self.of(tier).len()
    }

    /// Where they are reached.
    pub(in crate::endure) fn addresses(&self, tier: Tier) -> Vec<SocketAddr> {
        self.of(tier).iter().map(|member| member.listen).collect()
    }

    /// The process number of a scanner, which is also that of the group of its workers.
    pub(in crate::endure) fn scanner_pid(&self, who: usize) -> u32 {
        self.scanners[who].process.pid()
    }

    /// Signals a scanner alone.
    pub(in crate::endure) fn signal_scanner(&self, who: usize, signal: Signal) {
        self.scanners[who].process.signal(signal);
    }

    /// A metric of each scanner.
    pub(in crate::endure) fn scanners_metric(&self, name: &str, label: &str) -> anyhow::Result<Vec<f64>> {
        self.scanners.iter().map(|scanner| metric(scanner.admin, name, label)).collect()
    }

    /// The sum of a metric of all gateways.
    pub(in crate::endure) fn gateways_metric(&self, name: &str, label: &str) -> anyhow::Result<f64> {
        self.gateways.iter().map(|gateway| metric(gateway.admin, name, label)).sum()
    }

    /// What all gateways take.
    pub(in crate::endure) fn gateways_pss(&self) -> u64 {
        self.gateways.iter().map(|gateway| Tree::new(gateway.process.pid()).pss_bytes()).sum()
    }

    /// Kills one, and starts it again at once; times count since `begun`.
    pub(in crate::endure) fn kill(
        &mut self,
        tier: Tier,
        who: usize,
        begun: Instant,
    ) -> anyhow::Result<Death> {
        let member = &self.of(tier)[who];
        let (listen, admin) = (member.listen, member.admin);
        let at = begun.elapsed();
        member.process.signal(Signal::KILL);
        self.context.wait(&member.process, STOP, || member.process.has_ended().then_some(()))?;
        let gone = begun.elapsed();
        let process = self.spawn(tier, listen, admin);
        let death = self.back.len();
        self.back.push(None);
        let next = Member { process, listen, admin, awaited: Some((death, begun)) };
        let dead = std::mem::replace(&mut self.members_mut(tier)[who], next);
        self.graves.push(Grave { process: dead.process, since: Instant::now() });
        Ok(Death { tier, who, at, gone, back: None })
    }

    /// Looks after all: fails when one ended by itself, notes who is ready again, and whether anybody outlived those
    /// that were killed.
    pub(in crate::endure) fn supervise(&mut self) -> anyhow::Result<()> {
        for member in self.members() {
            if member.process.has_ended() {
                bail!("a member ended by itself; it said:\n{}", last_lines(&member.process));
            }
        }
        for member in self.gateways.iter_mut().chain(&mut self.scanners) {
            if let Some((death, begun)) = member.awaited
                && is_ready(member.admin)
            {
                self.back[death] = Some(begun.elapsed());
                member.awaited = None;
            }
        }
        self.graves.retain(|grave| {
            let is_empty = group_size(grave.process.pid()) == 0;
            if is_empty {
                self.orphaned = self.orphaned.max(grave.since.elapsed());
            }
            !is_empty
        });
        Ok(())
    }

    /// Supervises until then.
    pub(in crate::endure) fn wait(&mut self, until: Instant) -> anyhow::Result<()> {
        while Instant::now() < until {
            self.context.check()?;
            self.supervise()?;
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// For each death, in order, when the next one in that place was ready.
    pub(super) fn back(&self) -> Vec<Option<Duration>> {
        self.back.clone()
    }

    /// Waits for those who outlived a killed member, but not for ever.
    pub(super) fn bury(&mut self, limit: Duration) {
        let begun = Instant::now();
        while !self.graves.is_empty() && begun.elapsed() < limit && self.supervise().is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The longest time that somebody outlived a killed member and then ended.
    pub(super) fn orphaned(&self) -> Duration {
        self.orphaned
    }

    /// How many still do.
    pub(super) fn left_over(&self) -> usize {
        self.graves.iter().map(|grave| group_size(grave.process.pid())).sum()
    }

    /// Ends all in order, and tells how many processes are left of them.
    pub(in crate::endure) fn stop(self, context: &Context) -> anyhow::Result<usize> {
        let mut left = 0;
        for member in self.members() {
            member.process.signal(Signal::TERM);
        }
        for member in self.members() {
            context.wait_exit(&member.process, STOP).context("a member does not end")?;
            let begun = Instant::now();
            while group_size(member.process.pid()) > 0 && begun.elapsed() < Duration::from_secs(2) {
                thread::sleep(Duration::from_millis(10));
            }
            left += group_size(member.process.pid());
        }
        Ok(left)
    }
}

/// Ports that are free.
struct Ports(std::ops::Range<u16>);

impl Ports {
    fn next(&mut self) -> anyhow::Result<SocketAddr> {
        self.0
            .by_ref()
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
            .find(|address| TcpListener::bind(address).is_ok())
            .context("no port is free")
    }
}
