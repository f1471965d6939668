//! Which request is the next.

use crate::request::Request;
use crate::settings::Settings;

/// The requests of a run. They are made once; what differs from one to the next is stamped into them
/// when they are sent, and again when their echo is compared.
#[derive(Debug)]
pub(crate) struct Plan {
    clean: Request,
    infected: Option<Request>,
    share: f64,
    unique: bool,
    seed: u64,
    issued: u64,
}

/// One request of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) number: u64,
    pub(crate) infected: bool,
}

// === impl Plan ===

impl Plan {
    /// Runs with different seeds have different numbers.
    pub(crate) fn new(settings: &Settings, seed: u64) -> Self {
        Self {
            clean: Request::new(settings, false),
            infected: (settings.infected > 0.0).then(|| Request::new(settings, true)),
            share: settings.infected,
            unique: settings.unique,
            seed,
            issued: 0,
        }
    }

    /// The next request. Infected ones are spread evenly.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
    pub(crate) fn next(&mut self) -> Turn {
        let due = |count: u64| (count as f64 * self.share).floor();
        let infected = due(self.issued + 1) > due(self.issued);
        let number = self.seed.wrapping_add(self.issued);
        self.issued += 1;
        Turn { number, infected: infected && self.infected.is_some() }
    }

    pub(crate) fn request(&self, turn: Turn) -> &Request {
        self.infected.as_ref().filter(|_| turn.infected).unwrap_or(&self.clean)
    }

    /// The request, with what lies between `from` and `to` as it is sent in this turn.
    pub(crate) fn stamped(&mut self, turn: Turn, from: usize, to: usize) -> &Request {
        if self.unique {
            self.request_mut(turn).stamp(turn.number, from, to);
        }
        self.request(turn)
    }

    /// Whether `data` is what the body of this turn has from `from` on.
    pub(crate) fn is_echo(&mut self, turn: Turn, from: usize, data: &[u8]) -> bool {
        let range = from..from + data.len();
        if self.unique {
            self.request_mut(turn).stamp_body(turn.number, range.clone());
        }
        self.request(turn).body().get(range) == Some(data)
    }

    fn request_mut(&mut self, turn: Turn) -> &mut Request {
        self.infected.as_mut().filter(|_| turn.infected).unwrap_or(&mut self.clean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Shape, test_settings};

    #[test]
    fn infected_requests_have_their_share_and_are_spread() {
        for (share, hundred) in [(0.0, 0), (0.01, 1), (0.25, 25), (1.0, 100)] {
            let settings = Settings { body: Some(100), infected: share, ..test_settings(Shape::Respmod) };
            let mut plan = Plan::new(&settings, 0);
            for _ in 0..3 {
                let infected = (0..100).filter(|_| plan.next().infected).count();
                assert_eq!(infected, hundred, "{share}");
            }
        }
    }

    #[test]
    fn an_echo_is_known_by_its_turn() {
        let settings = Settings { body: Some(1000), unique: true, ..test_settings(Shape::Respmod) };
        let mut plan = Plan::new(&settings, 7);
        let (one, two) = (plan.next(), plan.next());
        plan.stamped(one, 0, usize::MAX);
        let body = plan.request(one).body().to_vec();
        assert!(!plan.is_echo(two, 0, &body));
        assert!(plan.is_echo(one, 0, &body));
        assert!(plan.is_echo(one, 900, &body[900..]));
        assert!(!plan.is_echo(one, 901, &body[900..]), "longer than the body");
    }
}
