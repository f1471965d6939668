//! The fleet: gateways with the product's balancer and retry budget, scanners, and a network between them.
//!
//! ```text
//!  Arrive ─▶ place ── pick ──▶ Deliver ─▶ enter ─▶ start ─▶ Done ─▶ Reply ─▶ answered
//!              ▲                 refused, lost, late                   │
//!              └──────────────── retry? ◀──────────────────────────────┘
//! ```

mod links;
mod scale;
mod trouble;

use crate::events::{Events, MILLI, Micros, SECOND};
use crate::figures::Figures;
use crate::load::{self, Object};
use crate::plan::Plan;
use crate::scanner::{Scanner, State, Task};
use fastrand::Rng;
use icapstan_balance::{
    Balancer, Endpoint, EndpointId, Job, Outcome, Pick, ReportedLoad, Retry, RetryBudget, RetrySettings,
    Settings,
};
use links::Link;
use scale::Samples;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From the arrival to the answer.
const TIMEOUT: Micros = 10 * SECOND;
/// How much later than that a gateway still takes an answer: the scanner's own word that time is up.
const GRACE: Micros = 500 * MILLI;
/// A job that probes is sent to another scanner when it has no answer after so long.
const PROBE_PATIENCE: Micros = SECOND;

/// Runs the plan. Equal plans and seeds give equal figures.
pub fn run(plan: &Plan, seed: u64) -> Figures {
    let mut fleet = Fleet::new(plan, seed);
    fleet.run();
    fleet.figures()
}

#[derive(Debug)]
struct Fleet<'a> {
    plan: &'a Plan,
    origin: Instant,
    rng: Rng,
    events: Events<Event>,
    gateways: Vec<Gateway>,
    scanners: Vec<Scanner>,
    nodes: Vec<Node>,
    jobs: Vec<Waiting>,
    free: Vec<usize>,
    attempts: u64,
    /// Jobs a second that the scanners of the start can do.
    capacity: f64,
    /// The first of these gateways cannot reach the first of those scanners.
    cut: (usize, usize),
    samples: Samples,
    figures: Figures,
    useful: Micros,
}

#[derive(Debug)]
struct Gateway {
    balancer: Balancer,
    budget: RetryBudget,
    links: Vec<Link>,
}

/// What surrounds a scanner.
#[derive(Clone, Copy, Debug)]
struct Node {
    zone: usize,
    /// Discovery tells of it.
    is_member: bool,
    /// It is drained when this one is ready.
    replaces: Option<usize>,
    /// From when to when nothing comes from it to the first so many gateways.
    mute: Option<(Micros, Micros, usize)>,
    drained_at: Micros,
    /// It was there from the start and nothing was done to it.
    is_plain: bool,
}

/// A job that has not ended.
#[derive(Debug)]
struct Waiting {
    gateway: usize,
    object: Object,
    arrived: Micros,
    serial: u64,
    /// Which try this is; zero when there is none.
    attempt: u64,
    sent: Micros,
    scanner: usize,
    tried: Vec<EndpointId>,
    pick: Option<Pick>,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Scanned(Micros),
    TimedOut,
    Refused,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrive,
    Deliver { scanner: usize, link: u32, task: Task },
    Done { scanner: usize, life: u32, task: Task, took: Micros },
    Reply { scanner: usize, link: u32, task: Task, answer: Answer, load: ReportedLoad },
    Deadline { job: usize, serial: u64 },
    Impatient { job: usize, attempt: u64 },
    Connect { gateway: usize, scanner: usize },
    Dead { gateway: usize, scanner: usize, link: u32 },
    Silent { gateway: usize, scanner: usize, link: u32 },
    GoAway { gateway: usize, scanner: usize },
    Discover { gateway: usize },
    Born { scanner: usize, life: u32 },
    Drained { scanner: usize, life: u32 },
    Trouble(usize),
    Sample,
    Scale,
}

// === impl Fleet ===

impl<'a> Fleet<'a> {
    fn new(plan: &'a Plan, seed: u64) -> Self {
        let origin = Instant::now();
        let zone = |index: usize| Arc::<str>::from(format!("zone-{}", index % plan.zones));
        let gateways = (0..plan.gateways)
            .map(|index| {
                let zone = (plan.zones > 1).then(|| zone(index));
                let settings = Settings { zone, ..Settings::default() };
                Gateway {
                    balancer: Balancer::new(settings, seed.wrapping_mul(1_000_003) + index as u64, origin),
                    budget: RetryBudget::new(RetrySettings::default(), origin),
                    links: Vec::new(),
                }
            })
            .collect();
        let workers = load::to_f64((plan.scanners * (plan.workers + 1)) as u64);
        let mut fleet = Self {
            plan,
            origin,
            rng: Rng::with_seed(seed),
            events: Events::new(),
            gateways,
            scanners: Vec::new(),
            nodes: Vec::new(),
            jobs: Vec::new(),
            free: Vec::new(),
            attempts: 0,
            capacity: workers * 1e6 / Object::mean_service(),
            cut: (0, 0),
            samples: Samples::new(),
            figures: Figures { least_ready: usize::MAX, ..Figures::default() },
            useful: 0,
        };
        for _ in 0..plan.scanners {
            let scanner = fleet.add(State::Up);
            fleet.nodes[scanner].is_member = true;
            fleet.nodes[scanner].is_plain = true;
        }
        for gateway in 0..plan.gateways {
            fleet.events.at(0, Event::Discover { gateway });
        }
        // Connections first: the fleet has been there for a while.
        fleet.events.at(2 * SECOND, Event::Arrive);
        fleet.events.at(5 * SECOND, Event::Sample);
        for (index, (second, _)) in plan.faults.iter().enumerate() {
            fleet.events.at(second * SECOND, Event::Trouble(index));
        }
        if let Some(scaling) = plan.scaling {
            fleet.events.at(5 * SECOND + scaling.period_ms * MILLI, Event::Scale);
        }
        fleet
    }

    fn run(&mut self) {
        let end = self.end() + TIMEOUT + 10 * SECOND;
        while let Some(event) = self.events.next() {
            if self.events.now() > end {
                break;
            }
            self.happen(event);
        }
    }

    /// When the last job comes.
    fn end(&self) -> Micros {
        self.plan.seconds * SECOND
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive => self.arrive(),
            Event::Deliver { scanner, link, task } => self.deliver(scanner, link, task),
            Event::Done { scanner, life, task, took } => self.done(scanner, life, task, took),
            Event::Reply { scanner, link, task, answer, load } => {
                self.reply(scanner, link, task, answer, load);
            }
            Event::Deadline { job, serial } => {
                if self.jobs[job].serial == serial {
                    self.ended(job, Outcome::Late);
                }
            }
            Event::Impatient { job, attempt } => {
                if self.jobs[job].attempt == attempt {
                    self.ended(job, Outcome::Late);
                }
            }
            Event::Connect { gateway, scanner } => self.connect(gateway, scanner),
            Event::Dead { gateway, scanner, link } => self.dead(gateway, scanner, link),
            Event::Silent { gateway, scanner, link } => self.silent(gateway, scanner, link),
            Event::GoAway { gateway, scanner } => {
                self.gateways[gateway].balancer.draining(id_of(scanner), self.instant());
            }
            Event::Discover { gateway } => self.discover(gateway),
            Event::Born { scanner, life } => self.born(scanner, life),
            Event::Drained { scanner, life } => self.drained(scanner, life),
            Event::Trouble(index) => self.trouble(self.plan.faults[index].1),
            Event::Sample => self.sample(),
            Event::Scale => self.scale(),
        }
    }

    fn instant(&self) -> Instant {
        self.origin + Duration::from_micros(self.events.now())
    }

    fn delay(&mut self) -> Micros {
        load::network_delay(&mut self.rng, self.plan.loss)
    }

    fn arrive(&mut self) {
        let now = self.events.now();
        if now > self.end() {
            return;
        }
        let rate = self.capacity * self.plan.curve.at(now);
        let pause = load::to_u64(load::exponential(&mut self.rng, 1e6 / rate.max(1.0)));
        self.events.after(pause, Event::Arrive);
        let gateway = self.rng.usize(..self.gateways.len());
        let object = Object::draw(&mut self.rng);
        self.attempts += 1;
        let serial = self.attempts;
        let waiting = Waiting {
            gateway,
            object,
            arrived: now,
            serial,
            attempt: 0,
            sent: now,
            scanner: 0,
            tried: Vec::new(),
            pick: None,
        };
        let job = if let Some(job) = self.free.pop() {
            self.jobs[job] = waiting;
            job
        } else {
            self.jobs.push(waiting);
            self.jobs.len() - 1
        };
        self.figures.arrived += 1;
        self.gateways[gateway].budget.sent();
        self.events.after(TIMEOUT + GRACE, Event::Deadline { job, serial });
        self.place(job);
    }

    /// Sends the job to whom the balancer says.
    fn place(&mut self, job: usize) {
        let now = self.instant();
        let delay = self.delay();
        let blind = self.plan.is_blind.then(|| self.all_but_one());
        let waiting = &mut self.jobs[job];
        let gateway = &self.gateways[waiting.gateway];
        let exclude = blind.as_deref().unwrap_or(&waiting.tried);
        let wanted = Job { bytes: waiting.object.bytes, generation: None, exclude };
        let Some(pick) = gateway.balancer.pick(wanted, now) else {
            self.figures.unplaced += 1;
            self.forget(job);
            return;
        };
        self.attempts += 1;
        if pick.is_probe() {
            self.events.after(PROBE_PATIENCE, Event::Impatient { job, attempt: self.attempts });
        }
        let scanner = index_of(pick.id());
        waiting.attempt = self.attempts;
        waiting.sent = self.events.now();
        waiting.scanner = scanner;
        waiting.pick = Some(pick);
        let task = Task {
            job,
            attempt: self.attempts,
            gateway: waiting.gateway,
            object: waiting.object,
            deadline: waiting.arrived + TIMEOUT,
        };
        let link = gateway.links[scanner].number;
        self.events.after(delay, Event::Deliver { scanner, link, task });
    }

    /// So that the balancer has no choice.
    fn all_but_one(&mut self) -> Vec<EndpointId> {
        let one = self.rng.usize(..self.scanners.len());
        (0..self.scanners.len()).filter(|&scanner| scanner != one).map(id_of).collect()
    }

    fn deliver(&mut self, scanner: usize, link: u32, task: Task) {
        if !self.is_current(&task) || !self.is_linked(task.gateway, scanner, link) {
            return;
        }
        if self.is_cut(task.gateway, scanner) {
            // It is sent again and again, till the connection is given up.
            self.events.after(100 * MILLI, Event::Deliver { scanner, link, task });
            return;
        }
        let now = self.events.now();
        let server = &mut self.scanners[scanner];
        match server.state {
            State::Stopped => server.inbox.push(task),
            State::Up | State::Draining => {
                if server.enter(task, now) {
                    self.start(scanner);
                } else {
                    self.answer(scanner, task, Answer::Refused);
                }
            }
            State::Starting | State::Gone => {}
        }
    }

    /// Gives work to workers that are free.
    fn start(&mut self, scanner: usize) {
        let now = self.events.now();
        let jobs = &self.jobs;
        let server = &mut self.scanners[scanner];
        while let Some((task, took)) = server.start(now, |task| jobs[task.job].attempt == task.attempt) {
            self.events.after(took, Event::Done { scanner, life: server.life, task, took });
        }
    }

    fn done(&mut self, scanner: usize, life: u32, task: Task, took: Micros) {
        let server = &mut self.scanners[scanner];
        if server.life != life {
            return;
        }
        if server.state == State::Stopped {
            self.events.after(50 * MILLI, Event::Done { scanner, life, task, took });
            return;
        }
        if server.is_hung {
            // The worker never comes back.
            return;
        }
        server.done(task.object.lane, took);
        let in_time = self.events.now() < task.deadline;
        self.answer(scanner, task, if in_time { Answer::Scanned(took) } else { Answer::TimedOut });
        self.start(scanner);
    }

    fn answer(&mut self, scanner: usize, task: Task, answer: Answer) {
        let load = self.scanners[scanner].report();
        let link = self.gateways[task.gateway].links[scanner].number;
        let delay = self.delay();
        self.events.after(delay, Event::Reply { scanner, link, task, answer, load });
    }

    fn reply(&mut self, scanner: usize, link: u32, task: Task, answer: Answer, load: ReportedLoad) {
        if !self.is_current(&task) || !self.is_linked(task.gateway, scanner, link) {
            return;
        }
        if self.is_cut(task.gateway, scanner) {
            self.events.after(100 * MILLI, Event::Reply { scanner, link, task, answer, load });
            return;
        }
        let took = Duration::from_micros(self.events.now() - self.jobs[task.job].sent);
        let load = Some(load);
        match answer {
            Answer::Scanned(worker) => {
                self.useful += worker;
                self.ended(task.job, Outcome::Answered { took, load });
            }
            Answer::TimedOut => {
                self.figures.timed_out += 1;
                self.settle(task.job, Outcome::Answered { took, load });
                self.forget(task.job);
            }
            Answer::Refused => self.ended(task.job, Outcome::Refused { load }),
        }
    }

    /// A try has ended: another may follow.
    fn ended(&mut self, job: usize, outcome: Outcome) {
        self.settle(job, outcome);
        let now = self.events.now();
        let instant = self.instant();
        let waiting = &mut self.jobs[job];
        let why = match outcome {
            Outcome::Answered { .. } => {
                self.figures.answered += 1;
                self.figures.latencies.add(now - waiting.arrived);
                self.forget(job);
                return;
            }
            Outcome::Refused { .. } => Retry::Refused,
            Outcome::Lost => Retry::Lost,
            Outcome::Late | Outcome::Cancelled => Retry::Late,
        };
        let tries = u32::try_from(waiting.tried.len()).unwrap_or(u32::MAX);
        let budget = &self.gateways[waiting.gateway].budget;
        let before = budget.left(instant);
        if now < waiting.arrived + TIMEOUT && budget.take(why, tries, instant) {
            if budget.left(instant) < before {
                self.figures.budget_retries += 1;
            } else {
                self.figures.free_retries += 1;
            }
            self.place(job);
            return;
        }
        match why {
            Retry::Refused => self.figures.refused += 1,
            Retry::Lost => self.figures.lost += 1,
            Retry::Late => self.figures.late += 1,
        }
        self.forget(job);
    }

    /// Tells the balancer how the try ended.
    fn settle(&mut self, job: usize, outcome: Outcome) {
        let now = self.events.now();
        let instant = self.instant();
        let waiting = &mut self.jobs[job];
        waiting.attempt = 0;
        waiting.tried.push(id_of(waiting.scanner));
        if let Some((from, to, gateways)) = self.nodes[waiting.scanner].mute
            && waiting.gateway < gateways
        {
            let stuck = load::seconds_of(now.min(to).saturating_sub(from.max(waiting.sent)));
            self.figures.longest_stuck = self.figures.longest_stuck.max(stuck);
        }
        if let Some(pick) = waiting.pick.take() {
            pick.finish(outcome, instant);
        }
    }

    fn forget(&mut self, job: usize) {
        let waiting = &mut self.jobs[job];
        waiting.serial = 0;
        waiting.attempt = 0;
        waiting.pick = None;
        self.free.push(job);
    }

    fn is_current(&self, task: &Task) -> bool {
        self.jobs[task.job].attempt == task.attempt
    }

    /// One more scanner, of the next address.
    fn add(&mut self, state: State) -> usize {
        let index = self.scanners.len();
        self.scanners.push(Scanner::new(self.plan.workers, self.plan.queue_length, state));
        self.nodes.push(Node {
            zone: index % self.plan.zones,
            is_member: false,
            replaces: None,
            mute: None,
            drained_at: 0,
            is_plain: false,
        });
        for gateway in &mut self.gateways {
            gateway.links.push(Link::default());
        }
        index
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        let members = self.nodes.iter().enumerate().filter(|(_, node)| node.is_member);
        members
            .map(|(index, node)| Endpoint {
                id: id_of(index),
                zone: (self.plan.zones > 1).then(|| format!("zone-{}", node.zone).into()),
            })
            .collect()
    }

    fn figures(mut self) -> Figures {
        let now = self.events.now().min(self.end());
        let (mut busy, mut up, mut usual) = (0, 0, Vec::new());
        for (server, node) in self.scanners.iter_mut().zip(&self.nodes) {
            let workers = server.crew.workers as u64;
            if server.state != State::Gone && server.state != State::Starting {
                server.up += now.saturating_sub(server.up_since);
            }
            busy += server.busy;
            up += server.up * workers;
            if node.is_plain {
                usual.push(load::to_f64(server.busy));
            }
        }
        let figures = &mut self.figures;
        figures.busy = load::to_f64(busy) / load::to_f64(up.max(1));
        figures.useful = load::to_f64(self.useful) / load::to_f64(up.max(1));
        let mean = usual.iter().sum::<f64>() / load::to_f64(usual.len().max(1) as u64);
        figures.utilisation_spread = usual.iter().copied().fold(0.0, f64::max) / mean.max(1.0);
        figures.ejections = self.gateways.iter().map(|gateway| gateway.balancer.counts().ejections).sum();
        self.samples.finish(figures);
        self.figures
    }
}

fn id_of(scanner: usize) -> EndpointId {
    let [.., a, b, c] = scanner.to_be_bytes();
    EndpointId(SocketAddr::from(([10, a, b, c], 7344)))
}

fn index_of(id: EndpointId) -> usize {
    match id.0 {
        SocketAddr::V4(address) => {
            let [_, a, b, c] = address.ip().octets();
            usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
        }
        SocketAddr::V6(_) => 0,
    }
}
